# fish completion for kubectl: every word comes from "kubectl __complete".
function __kubectl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | string match -v -r '^:[0-9]+$'
end
function __kubectl_wants_files
    set -l words (commandline -opc) (commandline -ct)
    test ($words[1] __complete $words[2..-1] 2>/dev/null | tail -n 1) = ':0'
end
complete -c kubectl -e
complete -c kubectl -n 'not __kubectl_wants_files' -f -a '(__kubectl_complete)'
complete -c kubectl -n '__kubectl_wants_files' -F -a '(__kubectl_complete)'
