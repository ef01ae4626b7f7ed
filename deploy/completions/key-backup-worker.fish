# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_key_backup_worker_global_optspecs
    string join \n c/config-path= no-secrets-in-config n/no-redirect-stdio keys-directory= D/daemonize h/help V/version
end

function __fish_key_backup_worker_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_key_backup_worker_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_key_backup_worker_using_subcommand
    set -l cmd (__fish_key_backup_worker_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -s c -l config-path -d 'A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -l keys-directory -d 'Accepted for Synapse\'s sake: the worker makes no keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -l no-secrets-in-config -d 'Refuse secrets in the configuration: only the keys that name a file are accepted'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -s n -l no-redirect-stdio -d 'Accepted for Synapse\'s sake: standard output and error are never redirected'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -s D -l daemonize -d 'Refused: the worker stays in the foreground, for a service manager'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -s V -l version -d 'Print version'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -f -a "run" -d 'Run the worker; the word may be left out'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -f -a "healthcheck" -d 'Ask the worker that runs with this configuration for its /health; exit status 0 if it is well, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -f -a "check-config" -d 'Read the configuration, say what it means to the worker, and open nothing; exit status 0 if it is right, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -f -a "doctor" -d 'Check the deployment that this configuration describes; exit status 0 if there is no problem, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -s c -l config-path -d 'A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -l keys-directory -d 'Accepted for Synapse\'s sake: the worker makes no keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -l no-secrets-in-config -d 'Refuse secrets in the configuration: only the keys that name a file are accepted'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -s n -l no-redirect-stdio -d 'Accepted for Synapse\'s sake: standard output and error are never redirected'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -s D -l daemonize -d 'Refused: the worker stays in the foreground, for a service manager'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand run" -s h -l help -d 'Print help'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -s c -l config-path -d 'A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -l keys-directory -d 'Accepted for Synapse\'s sake: the worker makes no keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -l no-secrets-in-config -d 'Refuse secrets in the configuration: only the keys that name a file are accepted'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -s n -l no-redirect-stdio -d 'Accepted for Synapse\'s sake: standard output and error are never redirected'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -s D -l daemonize -d 'Refused: the worker stays in the foreground, for a service manager'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -s c -l config-path -d 'A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -l keys-directory -d 'Accepted for Synapse\'s sake: the worker makes no keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -l no-secrets-in-config -d 'Refuse secrets in the configuration: only the keys that name a file are accepted'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -s n -l no-redirect-stdio -d 'Accepted for Synapse\'s sake: standard output and error are never redirected'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -s D -l daemonize -d 'Refused: the worker stays in the foreground, for a service manager'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -s c -l config-path -d 'A YAML file, or a directory of *.yaml files; repeatable, later files replace whole top-level keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -l keys-directory -d 'Accepted for Synapse\'s sake: the worker makes no keys' -r -F
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -l no-secrets-in-config -d 'Refuse secrets in the configuration: only the keys that name a file are accepted'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -s n -l no-redirect-stdio -d 'Accepted for Synapse\'s sake: standard output and error are never redirected'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -s D -l daemonize -d 'Refused: the worker stays in the foreground, for a service manager'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -l json -d 'Print one JSON document, for machines'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand help; and not __fish_seen_subcommand_from run healthcheck check-config doctor help" -f -a "run" -d 'Run the worker; the word may be left out'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand help; and not __fish_seen_subcommand_from run healthcheck check-config doctor help" -f -a "healthcheck" -d 'Ask the worker that runs with this configuration for its /health; exit status 0 if it is well, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand help; and not __fish_seen_subcommand_from run healthcheck check-config doctor help" -f -a "check-config" -d 'Read the configuration, say what it means to the worker, and open nothing; exit status 0 if it is right, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand help; and not __fish_seen_subcommand_from run healthcheck check-config doctor help" -f -a "doctor" -d 'Check the deployment that this configuration describes; exit status 0 if there is no problem, else 1'
complete -c key-backup-worker -n "__fish_key_backup_worker_using_subcommand help; and not __fish_seen_subcommand_from run healthcheck check-config doctor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
