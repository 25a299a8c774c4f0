#compdef kubectl
# zsh completion for kubectl: every word comes from "kubectl __complete".
_kubectl() {
    local line directive=0
    local -a found described
    while IFS= read -r line; do
        case "$line" in
            :[0-9]*) directive="${line#:}" ;;
            *) described+=("${${line/:/\\:}/$'\t'/:}"); found+=("${line%%$'\t'*}") ;;
        esac
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe -V 'kubectl' described
    elif (( ! (directive & 4) )); then
        _files
    fi
}
compdef _kubectl kubectl
if [ "$funcstack[1]" = "_kubectl" ]; then
    _kubectl
fi
