# Completion of stek, and of its links stek-APPLET, for fish.

# __stek_is APPLET: this applet is called
function __stek_is
    set -l words (commandline -opc)
    set -l program (string replace -r '.*/' '' -- $words[1])
    test "$program" = "stek-$argv[1]"
    or test "$program" = stek -a "$words[2]" = "$argv[1]"
end

# No applet is named yet
function __stek_needs_applet
    set -l words (commandline -opc)
    test (count $words) -eq 1; and string match -q -r '(^|/)stek$' -- $words[1]
end

# __stek_at NUMBER VALUED...: so many operands stand before; VALUED are the options whose value is the next word
function __stek_at
    test (count (__stek_operands $argv[2..])) -eq $argv[1]
end
function __stek_operands
    set -l words (commandline -opc)
    string match -q -r '(^|/)stek$' -- $words[1]; and set -e words[1]
    set -e words[1]
    set -l skip no
    for word in $words
        if test $skip = yes
            set skip no
        else if contains -- $word $argv
            set skip yes
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# The key sets there are; where one may not look, those of the settings
function __stek_names
    set -l words (commandline -opc)
    set -l list $words[1] list
    string match -q -r '(^|/)stek-' -- $words[1]; and set list (string replace -r 'stek-[^/]*$' 'stek-list' -- $words[1])
    set -l directory
    set -l next no
    for word in $words
        if test $next = yes
            set directory --dir=$word
            set next no
        else if contains -- $word -d --dir
            set next yes
        else if string match -q -r '^(--dir=|-d).' -- $word
            set directory --dir=(string replace -r '^(--dir=|-d)' '' -- $word)
        end
    end
    set -l names ($list --allow-disk $directory 2>/dev/null | string replace -r '\t.*' '' | sort -u)
    if test -z "$names"
        set -l settings /etc/default/stek
        set -q STEK_DEFAULT_FILE; and set settings $STEK_DEFAULT_FILE
        set names (string replace -f -r '^STEK_NAMES=' '' <$settings 2>/dev/null | string trim -c '"\'')
        set -q STEK_NAMES; and set names $STEK_NAMES
        set names (string split -n ' ' -- $names)
    end
    printf '%s\n' $names
end

# The program that lock runs, and what follows it
function __stek_program
    set -l words (commandline -opc)
    if string match -q -r '(^|/)stek$' -- $words[1]
        __fish_complete_subcommand --fcs-skip=2 $argv
    else
        __fish_complete_subcommand $argv
    end
end

complete -c stek -f
complete -c stek -n __stek_needs_applet -s h -l help -d 'show the applets'
complete -c stek -n __stek_needs_applet -l version -d 'print the version'
complete -c stek -n __stek_needs_applet -l list -d 'print the names of the applets'
complete -c stek -n __stek_needs_applet -l install-links -x -a '(__fish_complete_directories)' -d 'make a link for each applet'

# The table of applets, written by 'make documents':
complete -c stek -n __stek_needs_applet -a check -d 'say what is wrong with keys, directory, host and server; exits with 0, 1, 2 or 3 as monitoring plugins do'
complete -c stek -n __stek_needs_applet -a genkey -d 'write one fresh ticket key to standard output, which must not be a terminal, or to a new file'
complete -c stek -n __stek_needs_applet -a help -d 'list the applets, or explain one'
complete -c stek -n __stek_needs_applet -a identify -d 'print the key name of the ticket in a TLS session, and which NAME and slot made it'
complete -c stek -n __stek_needs_applet -a install -d 'read one key (raw, base64 or hex) from standard input, check it and put it into the top slot of NAME'
complete -c stek -n __stek_needs_applet -a lint -d 'read what \'nginx -T\' prints, or a configuration FILE, and say what is wrong with the ticket keys in it'
complete -c stek -n __stek_needs_applet -a list -d 'print NAME, slot, role, key name, age and size of every slot; tab separated unless on a terminal'
complete -c stek -n __stek_needs_applet -a lock -d 'take the lock of the keys directory and run PROGRAM under it; applets inside share the lock'
complete -c stek -n __stek_needs_applet -a mount -d 'make the keys directory: tmpfs without swap, else ramfs, else what memory there is; nothing if it is there'
complete -c stek -n __stek_needs_applet -a probe -d 'take a ticket from a TLS server, tell which slot made it, and whether the server resumes it'
complete -c stek -n __stek_needs_applet -a reload -d 'test a server\'s configuration, make it read its keys again and wait until new workers serve'
complete -c stek -n __stek_needs_applet -a rotate -d 'rotate the keys that are due and mend what is missing; the first run makes the complete set'
complete -c stek -n __stek_needs_applet -a setup -d 'on a host without the package: check it, install the files for boot and cron, and make the first keys of each NAME'
complete -c stek -n __stek_needs_applet -a shift -d 'make every slot one older: 2 to 3, 1 to 2, 0 to 1; nothing if the key of the shift before was never installed'
complete -c stek -n __stek_needs_applet -a snippet -d 'print the lines that make SERVER (nginx) use the keys of NAME, to be pasted into its configuration'
complete -c stek -n __stek_needs_applet -a umount -d 'overwrite every key, then unmount the keys directory; nothing if it is not there'
complete -c stek-check -f
complete -c stek -c stek-check -n '__stek_is check' -s q -l quiet -d 'print the summary line only'
complete -c stek -c stek-check -n '__stek_is check' -l json -d 'print JSON'
complete -c stek -c stek-check -n '__stek_is check' -l ignore -r -x -d 'leave out findings with this identifier; several with commas, or the option again'
complete -c stek -c stek-check -n '__stek_is check' -l grace -r -x -d 'how late rotations may be before they count (default a twelfth of the period, 10 minutes to 1 hour)'
complete -c stek -c stek-check -n '__stek_is check' -l pid-file -r -F -d 'where the server\'s process id stands; the server must run then (default: any that runs with these keys)'
complete -c stek -c stek-check -n '__stek_is check' -l probe -r -x -a '(__fish_print_hostnames)' -d 'take a ticket from this server, HOST or HOST:PORT, and resume it; may be repeated'
complete -c stek -c stek-check -n '__stek_is check' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-check -n '__stek_is check' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-check -n '__stek_is check' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-check -n '__stek_is check' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-check -n '__stek_is check' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-check -n '__stek_is check' -s h -l help -d 'show the help'
complete -c stek -c stek-check -n '__stek_is check' -x -a '(__stek_names)'
complete -c stek-genkey -f
complete -c stek -c stek-genkey -n '__stek_is genkey' -l base64 -d 'write it in base64, one line'
complete -c stek -c stek-genkey -n '__stek_is genkey' -l hex -d 'write it in hexadecimal, one line'
complete -c stek -c stek-genkey -n '__stek_is genkey' -s o -l output -r -F -d 'write it to FILE, which must not exist yet, with mode 0600'
complete -c stek -c stek-genkey -n '__stek_is genkey' -s s -l size -r -x -a '48 80' -d 'size of new keys: 80 (AES-256) or 48 (AES-128) bytes ($STEK_SIZE, default 80)'
complete -c stek -c stek-genkey -n '__stek_is genkey' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-genkey -n '__stek_is genkey' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-genkey -n '__stek_is genkey' -s h -l help -d 'show the help'
complete -c stek-help -f
complete -c stek -c stek-help -n '__stek_is help' -s h -l help -d 'show the help'
complete -c stek -c stek-help -n '__stek_is help; and __stek_at 0' -x -a 'check genkey help identify install lint list lock mount probe reload rotate setup shift snippet umount'
complete -c stek-identify -f
complete -c stek -c stek-identify -n '__stek_is identify' -l verify -d 'prove it: authenticate and decrypt the ticket with the slot\'s key'
complete -c stek -c stek-identify -n '__stek_is identify' -l json -d 'print JSON'
complete -c stek -c stek-identify -n '__stek_is identify' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-identify -n '__stek_is identify' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-identify -n '__stek_is identify' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-identify -n '__stek_is identify' -s h -l help -d 'show the help'
complete -c stek -c stek-identify -n '__stek_is identify; and __stek_at 0 -d --dir' -F
complete -c stek-install -f
complete -c stek -c stek-install -n '__stek_is install' -l slot -r -x -d 'put it into this slot (default 0, the next key)'
complete -c stek -c stek-install -n '__stek_is install' -s f -l file -r -F -d 'put it into FILE instead of a slot'
complete -c stek -c stek-install -n '__stek_is install' -s m -l mode -r -x -d 'octal permission bits (default 0600, with a group 0640)'
complete -c stek -c stek-install -n '__stek_is install' -s o -l owner -r -x -a '(__fish_complete_users)' -d 'owner, by name or number'
complete -c stek -c stek-install -n '__stek_is install' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-install -n '__stek_is install' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-install -n '__stek_is install' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-install -n '__stek_is install' -s s -l size -r -x -a '48 80' -d 'size of new keys: 80 (AES-256) or 48 (AES-128) bytes ($STEK_SIZE, default 80)'
complete -c stek -c stek-install -n '__stek_is install' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-install -n '__stek_is install' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-install -n '__stek_is install' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-install -n '__stek_is install' -s h -l help -d 'show the help'
complete -c stek -c stek-install -n '__stek_is install; and __stek_at 0 --slot -f --file -m --mode -o --owner -d --dir -p --period -n --slots -s --size -g --group' -x -a '(__stek_names)'
complete -c stek-lint -f
complete -c stek -c stek-lint -n '__stek_is lint' -l ignore -r -x -d 'leave out findings with these identifiers, separated by commas'
complete -c stek -c stek-lint -n '__stek_is lint' -l json -d 'print JSON'
complete -c stek -c stek-lint -n '__stek_is lint' -l which -d 'print which key makes the tickets, for every listen socket and server name, and no findings'
complete -c stek -c stek-lint -n '__stek_is lint' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-lint -n '__stek_is lint' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-lint -n '__stek_is lint' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-lint -n '__stek_is lint' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-lint -n '__stek_is lint' -s h -l help -d 'show the help'
complete -c stek -c stek-lint -n '__stek_is lint; and __stek_at 0 --ignore -d --dir -p --period -n --slots' -F
complete -c stek-list -f
complete -c stek -c stek-list -n '__stek_is list' -l json -d 'print JSON, ages in seconds'
complete -c stek -c stek-list -n '__stek_is list' -l prometheus -d 'print metrics, with the findings of check, for the textfile collector of Prometheus\'s node exporter'
complete -c stek -c stek-list -n '__stek_is list' -l pid-file -r -F -d 'with --prometheus: where the server\'s process id stands, as for check'
complete -c stek -c stek-list -n '__stek_is list' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-list -n '__stek_is list' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-list -n '__stek_is list' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-list -n '__stek_is list' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-list -n '__stek_is list' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-list -n '__stek_is list' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-list -n '__stek_is list' -s h -l help -d 'show the help'
complete -c stek -c stek-list -n '__stek_is list' -x -a '(__stek_names)'
complete -c stek-lock -f
complete -c stek -c stek-lock -n '__stek_is lock' -s n -l nonblock -d 'do not wait: exit with 1 if the lock is taken'
complete -c stek -c stek-lock -n '__stek_is lock' -s w -l wait -r -x -d 'wait so long for the lock (default 60 seconds)'
complete -c stek -c stek-lock -n '__stek_is lock' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-lock -n '__stek_is lock' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-lock -n '__stek_is lock' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-lock -n '__stek_is lock' -s h -l help -d 'show the help'
complete -c stek -c stek-lock -n '__stek_is lock' -x -a '(__stek_program -w --wait -d --dir)'
complete -c stek-mount -f
complete -c stek -c stek-mount -n '__stek_is mount' -l size -r -x -d 'limit of a tmpfs, with k, m or g (default 256m; a key takes 4 KiB)'
complete -c stek -c stek-mount -n '__stek_is mount' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-mount -n '__stek_is mount' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-mount -n '__stek_is mount' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-mount -n '__stek_is mount' -s h -l help -d 'show the help'
complete -c stek-probe -f
complete -c stek -c stek-probe -n '__stek_is probe' -s s -l server-name -r -x -a '(__fish_print_hostnames)' -d 'the name to ask for in SNI (default HOST, unless it is an address)'
complete -c stek -c stek-probe -n '__stek_is probe' -l tls -r -x -a '1.2 1.3' -d 'only this version: 1.2 or 1.3 (default both)'
complete -c stek -c stek-probe -n '__stek_is probe' -s w -l wait -r -x -d 'how long all of it may take (default 10 seconds)'
complete -c stek -c stek-probe -n '__stek_is probe' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-probe -n '__stek_is probe' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-probe -n '__stek_is probe' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-probe -n '__stek_is probe' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-probe -n '__stek_is probe' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-probe -n '__stek_is probe' -s h -l help -d 'show the help'
complete -c stek -c stek-probe -n '__stek_is probe; and __stek_at 0 -s --server-name --tls -w --wait -d --dir -p --period -n --slots' -x -a '(__fish_print_hostnames)'
complete -c stek-reload -f
complete -c stek -c stek-reload -n '__stek_is reload' -l if-stale -d 'only if a key changed after the workers began'
complete -c stek -c stek-reload -n '__stek_is reload' -l if-running -d 'a server that does not run is no failure'
complete -c stek -c stek-reload -n '__stek_is reload' -l no-test -d 'signal without testing the configuration first'
complete -c stek -c stek-reload -n '__stek_is reload' -s w -l wait -r -x -d 'how long new workers may take (default 30 seconds)'
complete -c stek -c stek-reload -n '__stek_is reload' -l pid-file -r -F -d 'where the master\'s process id stands (default /run/nginx.pid)'
complete -c stek -c stek-reload -n '__stek_is reload' -l config -r -F -d 'the configuration to test (default the one it was started with)'
complete -c stek -c stek-reload -n '__stek_is reload' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-reload -n '__stek_is reload' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-reload -n '__stek_is reload' -l syslog -d 'tell syslog what was done and what failed ($STEK_SYSLOG: 1)'
complete -c stek -c stek-reload -n '__stek_is reload' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-reload -n '__stek_is reload' -s h -l help -d 'show the help'
complete -c stek -c stek-reload -n '__stek_is reload; and __stek_at 0 -w --wait --pid-file --config -d --dir' -x -a 'nginx'
complete -c stek-rotate -f
complete -c stek -c stek-rotate -n '__stek_is rotate' -l force -d 'rotate once even if nothing is due'
complete -c stek -c stek-rotate -n '__stek_is rotate' -l dry-run -d 'print the moves on standard output and make none'
complete -c stek -c stek-rotate -n '__stek_is rotate' -l known-to -r -x -a 'nginx' -d 'let a next key encrypt only once this server, if it runs, has read it'
complete -c stek -c stek-rotate -n '__stek_is rotate' -l pid-file -r -F -d 'where the process id of that server stands (default /run/nginx.pid)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s s -l size -r -x -a '48 80' -d 'size of new keys: 80 (AES-256) or 48 (AES-128) bytes ($STEK_SIZE, default 80)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-rotate -n '__stek_is rotate' -l syslog -d 'tell syslog what was done and what failed ($STEK_SYSLOG: 1)'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-rotate -n '__stek_is rotate' -s h -l help -d 'show the help'
complete -c stek -c stek-rotate -n '__stek_is rotate' -x -a '(__stek_names)'
complete -c stek-setup -f
complete -c stek -c stek-setup -n '__stek_is setup' -l check -d 'only check, one line each, and change nothing'
complete -c stek -c stek-setup -n '__stek_is setup' -l undo -d 'take all of it away again, the keys too'
complete -c stek -c stek-setup -n '__stek_is setup' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-setup -n '__stek_is setup' -s h -l help -d 'show the help'
complete -c stek -c stek-setup -n '__stek_is setup' -x -a '(__stek_names)'
complete -c stek-shift -f
complete -c stek -c stek-shift -n '__stek_is shift' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-shift -n '__stek_is shift' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-shift -n '__stek_is shift' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-shift -n '__stek_is shift' -s s -l size -r -x -a '48 80' -d 'size of new keys: 80 (AES-256) or 48 (AES-128) bytes ($STEK_SIZE, default 80)'
complete -c stek -c stek-shift -n '__stek_is shift' -s g -l group -r -x -a '(__fish_complete_groups)' -d 'the group that may read the keys, by name or number ($STEK_GROUP, default none)'
complete -c stek -c stek-shift -n '__stek_is shift' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-shift -n '__stek_is shift' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-shift -n '__stek_is shift' -s h -l help -d 'show the help'
complete -c stek -c stek-shift -n '__stek_is shift' -x -a '(__stek_names)'
complete -c stek-snippet -f
complete -c stek -c stek-snippet -n '__stek_is snippet' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-snippet -n '__stek_is snippet' -s p -l period -r -x -d 'how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)'
complete -c stek -c stek-snippet -n '__stek_is snippet' -s n -l slots -r -x -d 'encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more'
complete -c stek -c stek-snippet -n '__stek_is snippet' -s h -l help -d 'show the help'
complete -c stek -c stek-snippet -n '__stek_is snippet; and __stek_at 0 -d --dir -p --period -n --slots' -x -a 'nginx'
complete -c stek -c stek-snippet -n '__stek_is snippet; and __stek_at 1 -d --dir -p --period -n --slots' -x -a '(__stek_names)'
complete -c stek-umount -f
complete -c stek -c stek-umount -n '__stek_is umount' -s d -l dir -r -x -a '(__fish_complete_directories)' -d 'the keys directory ($STEK_DIR, default /run/stek)'
complete -c stek -c stek-umount -n '__stek_is umount' -l allow-disk -d 'let keys lie on a file system that is not tmpfs or ramfs'
complete -c stek -c stek-umount -n '__stek_is umount' -s v -l verbose -d 'say on standard error what is done'
complete -c stek -c stek-umount -n '__stek_is umount' -s h -l help -d 'show the help'
# End of the table.
