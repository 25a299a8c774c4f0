# bash completion for kubectl: every word comes from "kubectl __complete".
__kubectl_complete() {
    local current="${COMP_WORDS[COMP_CWORD]}"
    local -a words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    local line word directive=0
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in
            :[0-9]*) directive="${line#:}" ;;
            *) word="${line%%$'\t'*}"; COMPREPLY+=("$word") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" "$current" 2>/dev/null)
    if ((directive & 2)); then
        compopt -o nospace 2>/dev/null
    fi
    if ((directive & 4)) || ((${#COMPREPLY[@]} > 0)); then
        compopt +o default 2>/dev/null
    fi
}
complete -o default -F __kubectl_complete kubectl
