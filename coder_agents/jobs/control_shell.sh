# The control shell: reads requests from a raw terminal and answers them. The protocol is in
# protocol.py, and program.py sends this file without its comments and indentation.
#
# For dash, bash, busybox sh and their like, on Linux and BSD: nothing here is beyond POSIX where
# it is not probed first. What is not obvious:
#
# - All variables are called ca_..., so that none is one that the environment exports to jobs.
# - Only the builtin read takes requests from the terminal. bash reads ahead, unless the
#   delimiter is not a newline; so requests end in a semicolon, too.
# - A program that the control shell calls never gets the terminal as its stdin: rm would ask.
# - A redirection that fails on a special builtin (such as the colon) ends dash; on printf it does
#   not.
# - Lines of this file lose their indentation: no text may depend on it.

# Messages of the shell would land between the answers.
exec 2>/dev/null 3<&0
trap 'exit 1' HUP
trap : PIPE
# A supervisor sends this at the end of its job. By default it does nothing, so that it harms no
# process that has got the number of a control shell.
trap ca_woken=1 WINCH
set -f
unset IFS

ca_nonce=@NONCE@
ca_start=$PWD
ca_umask=$(umask)
# Messages in English, lengths in bytes. Jobs get back what was.
ca_locale=${LC_ALL+=$LC_ALL}
LC_ALL=C
export LC_ALL
umask 077
ca_line=
ca_pending=
ca_clean=1
ca_sleep=1
ca_stat=
ca_decode=
ca_kicked=
ca_quiet=
ca_put=
ca_woken=

# ---- Answers

# answer STATUS LENGTH [WORD...]
answer() {
    ca_head="$ca_nonce $ca_id $1 $2"
    shift 2
    printf '%s\n' "$ca_head${1+ $*}"
}

ok() { answer OK 0 "$@"; }

# text STATUS TEXT [WORD...]: an answer with a body that is in a variable
text() {
    ca_body=$2
    ca_status=$1
    shift 2
    answer "$ca_status" ${#ca_body} "$@"
    printf %s "$ca_body"
}

fail() { text ERR "${1:-unknown error}"; }

# skip OFFSET: moves the file that is open as stdin. The last byte is read, because dd does not skip
# everywhere where it is to copy nothing.
skip() { [ "$1" = 0 ] || dd bs=1 skip=$(($1 - 1)) count=1 >/dev/null 2>&1; }

# first NUMBER: copies so many bytes of stdin
first() {
    if [ "$_ca_head" ]; then head -c "$1"; else dd bs=1 count="$1" 2>/dev/null; fi
}

# piece FILE OFFSET LENGTH: so many bytes of a file. dd reads a regular file exactly.
piece() {
    [ "$3" -gt 0 ] || return 0
    {
        skip "$2"
        dd bs="$3" count=1
    } <"$1"
}

# ---- Requests

# Take one request from the terminal: true where it is complete, false after a tenth of a second
# without a byte. What has come so far is in ca_line.
ca_newline=0
ca_wakes=
if [ "$BASH_VERSION" ]; then
    # With a delimiter or a number bash reads byte by byte, and sets the terminal to wait for ever;
    # its own timer loses nothing where it waits for one byte. The newline of the last request is
    # taken here, or counted as a byte of the payload.
    ca_newline=1
    ca_timer=0.1
    [ "${BASH_VERSINFO:-0}" -ge 4 ] || ca_timer=1
    take() {
        ca_more=
        IFS= read -r -t $ca_timer -n 1 ca_more
        [ "$ca_more" ] || return 1
        ca_line=$ca_line$ca_more
        IFS= read -r -d ';' ca_more
        ca_line=$ca_line$ca_more
    }
elif (IFS= read -r -t 0.01 -n 1 ca_more; [ $? = 1 ]); then
    # busybox ignores the timer of the terminal, too, and its own loses an unfinished line.
    take() {
        IFS= read -r -t 0.1 -n 1 ca_more || return 1
        ca_line=$ca_line$ca_more
        IFS= read -r ca_more
        ca_line=$ca_line$ca_more
    }
else
    # dash. Its read returns on a signal, too.
    ca_wakes=1
    take() {
        IFS= read -r ca_more
        ca_taken=$?
        ca_line=$ca_line$ca_more
        return $ca_taken
    }
fi

# Wait a tenth of a second, or until a request has come. After a hang-up the terminal is none.
tick() {
    take && ca_pending=1
    [ -t 0 ] || exit 0
}

# decode WORD: sets ca_text to the text that a word with an equals sign stands for
decode() {
    ca_text=${1#=}
    case $ca_text in
    *\\*)
        ca_text=$(printf "$ca_text"; echo x)
        ca_text=${ca_text%x}
        ;;
    esac
}

# path WORD: likewise, and never like an option
path() {
    decode "$1"
    case $ca_text in
    -*) ca_text=./$ca_text ;;
    esac
}

# receive FORM WORD: writes the bytes of a payload to stdout. The terminal is read to the end of
# the payload whatever happens to them.
receive() {
    if [ "$1" = p ]; then
        printf "${2#=}" | cat
        return
    fi
    patient
    [ "$ca_decode" ] || probe_base64
    head -c $(($2 + ca_newline)) <&3 | $ca_decode
}

# The builtin read returns after a tenth of a second without a byte: a timer that needs no process.
hasty() {
    ca_patient=
    stty min 0 time 1 <&3
}
hasty

# Up to 25 seconds between two bytes of a payload, which may come slowly. It stays so for a next
# payload, until another request comes or none does.
patient() {
    [ "$ca_patient" ] || stty min 0 time 255 <&3
    ca_patient=1
}

# Sets ca_decode to the function that decodes base64 here. cat reports a full disk, which the
# printf of a shell and the base64 of busybox do not.
probe_base64() {
    ca_option=-d
    [ "$(echo YQ== | base64 -d)" = a ] || ca_option=-D
    ca_decode=decode_through_cat
    [ -c /dev/full ] && ! { echo YQ== | base64 $ca_option >/dev/full; } && ca_decode=decode_itself
}

decode_itself() {
    base64 $ca_option && return
    cat >/dev/null
    return 1
}

decode_through_cat() {
    { base64 $ca_option || cat >/dev/null; } | cat
}

# store FILE OFFSET FORM WORD: writes a payload into a file. False, with a reason in ca_message,
# where that fails.
store() {
    ca_file=$1
    ca_offset=$2
    shift 2
    if [ "$1" = b ]; then
        # Here, as what is known within a substitution is forgotten.
        patient
        [ "$ca_decode" ] || probe_base64
    fi
    ca_size=$ca_offset
    [ "$ca_offset" = 0 ] || [ "$ca_put" = "$ca_offset $ca_file" ] || size "$ca_file"
    if [ "$ca_size" -lt "$ca_offset" ]; then
        # dd would go to the end, and not beyond it.
        receive "$@" >/dev/null
        ca_message='bytes before this piece are missing: Invalid argument'
        return 1
    fi
    ca_message=$(
        {
            {
                skip "$ca_offset"
                receive "$@" >&0 || exit 9
            } 0<>"$ca_file"
        } 2>&1
    )
    case $? in
    0) return 0 ;;
    9) return 1 ;;
    esac
    receive "$@" >/dev/null
    return 1
}

# why FILE: sets ca_message to the reason why nothing can be written into a file
why() {
    ca_message=$({ echo | cat >"$1"; } 2>&1)
    rm -f "$1" </dev/null
}

# size FILE: sets ca_size, 0 where there is none
size() {
    set -- $(ls -lnLd "$1")
    ca_size=${5:-0}
}

# ---- The folder of the jobs

# usable FOLDER: whether it is there, or can be made, and can be written
usable() {
    [ -d "$1" ] || mkdir -p "$1" || return
    [ -w "$1" ] && [ -x "$1" ]
}

ca_problem=
ca_base=
case ${XDG_STATE_HOME:-${HOME:+$HOME/.local/state}} in
/*) ca_base=${XDG_STATE_HOME:-$HOME/.local/state}/coder-agents/jobs ;;
esac
if [ ! "$ca_base" ] || ! usable "$ca_base"; then
    ca_tried=${ca_base:-a home}
    ca_user=$(id -u)
    ca_base=/tmp/coder-agents-$ca_user
    # Anybody can make a folder here, or a link: it has to be ours.
    usable "$ca_base" && [ ! -L "$ca_base" ] && set -- $(ls -lnd "$ca_base") &&
        [ "$3" = "$ca_user" ] && chmod 700 "$ca_base" ||
        ca_problem="neither $ca_tried nor $ca_base can be written"
fi

# A process in a session of its own outlives the terminal. Where it leads its group already, these
# fork, and so does not the caller wait.
ca_detach=
ca_forks=
if command -v setsid >/dev/null; then
    ca_detach=setsid
    ca_forks=1
elif command -v perl >/dev/null; then
    ca_detach="perl -MPOSIX=setsid -e 'exit if getpgrp==\$\$&&fork;setsid;exec@ARGV'"
elif command -v python3 >/dev/null; then
    ca_detach="python3 -c 'import os,sys;os.getpid()==os.getpgrp()and os.fork()and os._exit(0);os.setsid();os.execvp(sys.argv[1],sys.argv[1:])'"
else
    ca_problem='the agent has none of setsid, perl and python3, so no job can outlive its terminal'
fi

# ---- Jobs

# The first lines of what becomes the process of a job. Its number is the name of a file, which
# needs no space on the disk.
ca_prologue='printf "" >"pid.$$" || mv in "pid.$$"
_ca_command=$PWD/command.@NONCE@
cd "$ca_cwd" || exit 127
umask "$ca_umask"
case $ca_locale in
=*) LC_ALL=${ca_locale#=} ;;
*) unset LC_ALL ;;
esac
unset OLDPWD ca_cwd ca_umask ca_locale ca_detach ca_sweep ca_waiting ca_supervisor ca_boss ca_by ca_later
'

# What a list of processes shows is short: the text of the supervisor is in its environment.
ca_boss='eval "$ca_supervisor"'

# A second call of setsid, in the process that leads a session by the first one, forks. A shell's
# own way into the background would leave SIGINT ignored in the job.
ca_launcher='eval "exec $ca_detach sh -c \"\$ca_boss\" ca_job \"\$@\""'

# The supervisor: FOLDER NONCE STDIN STDOUT STDERR TIMEOUT GRACE CLEAN. It has a session of its
# own before it takes the guard, so that a hang-up does not end it in between.
#
# With STDIN "later" it is a spare one, whose job waits for its command: see "Spare supervisors".
ca_supervisor='
cd "$1" || exit
ca_by=by.$2.$$
export ca_by
if [ "$3" = later ]; then
    printf "" >"spare.$$"
else
    # The guard: of all that try, one creates the file.
    set -C
    printf "" >go || exit
    set +C
    printf "" >"$ca_by"
    # From a spare one that was not used.
    [ -p p1 ] && rm -f p1 p2 next
fi
if [ "$8" ]; then
    eval "$ca_sweep" &
fi
ca_in=/dev/null
ca_out=">/dev/null"
ca_err="2>/dev/null"
ca_pumps=
ca_feeder=

# Each output is a pipe that a pump empties into a file. A full disk ends a pump; the job runs on,
# and the name of a file says that bytes were lost. The supervisor holds the pipes open until the
# job has ended, so that nobody waits to open them.
pump() {
    exec 3>&- 4>&- 5<&-
    cat >>"$1" && return
    printf "" >"cut$1" || mkdir "cut$1" || mv "p$1" "cut$1"
    cat >/dev/null
}
if [ "$4$5" = nullnull ]; then
    :
elif [ -p p1 ] || mkfifo p1 p2; then
    exec 3<>p1 4<>p2
    if [ "$4" = file ]; then
        ca_out=">p1"
        pump 1 <p1 &
        ca_pumps=$!
    fi
    if [ "$5" = file ]; then
        ca_err="2>p2"
        pump 2 <p2 &
        ca_pumps="$ca_pumps $!"
    fi
else
    # No pipes with names here, as on some file systems: the job writes into the files itself.
    [ "$4" = file ] && ca_out=">>1"
    [ "$5" = file ] && ca_err="2>>2"
fi
[ "$5" = out ] && ca_err="2>&1"

case $3 in
spooled) ca_in=in ;;
followed)
    # cat continues where the last one stopped, since all have the same open file. The end is
    # checked before, so that nothing comes after it.
    mkfifo p0
    ca_in=p0
    {
        exec 3>&- 4>&-
        ca_pause=0.02
        while :; do
            ca_last=
            [ -e in.end ] && ca_last=1
            cat || exit
            [ "$ca_last" ] && exit
            sleep $ca_pause || sleep 1
            case $ca_pause in
            0.02) ca_pause=0.05 ;;
            0.05) ca_pause=0.1 ;;
            *) ca_pause=0.25 ;;
            esac
        done
    } <in >p0 &
    ca_feeder=$!
    ;;
esac

# The watchdog: TERM, and KILL after a while, to the whole group. It has a group of its own, so
# that it can be ended together with its sleep.
ca_watchdog=
if [ "$6" != 0 ]; then
    ca_text="
    sleep $6 || sleep $((${6%.*} + 1))
    until ca_pid=\$(echo pid.*) && [ -e \"\$ca_pid\" ]; do sleep 1; done
    printf \"\" >timeout || mkdir timeout
    kill -TERM -\${ca_pid#pid.}
    sleep $7 || sleep $((${7%.*} + 1))
    kill -KILL -\${ca_pid#pid.}"
    eval "exec $ca_detach sh -c \"\$ca_text\" 3>&- 4>&-" &
    ca_watchdog=$!
fi

# A shell reports an exit code of 143 and a death by TERM alike. awk does not, but the one of
# busybox reports nothing at all, so it is tried once on each machine. The second way are the
# messages of the shell, which dash and busybox print but for INT and PIPE.
if [ ! -e ../.awk1 ] && [ ! -e ../.awk0 ]; then
    ca_number=$(awk "BEGIN { print system(\"kill -9 \$\$\") }")
    if [ "$ca_number" = 265 ]; then printf "" >../.awk1; else printf "" >../.awk0; fi
fi
ca_job="exec $ca_detach sh run.$2 <$ca_in $ca_out $ca_err 3>&- 4>&- 5<&-"
[ "$3" = later ] && ca_job="exec $ca_detach sh -c \"\$ca_later\" 3>&- 4>&-"
if [ -e ../.awk1 ]; then
    ca_number=$(exec 3>&- 4>&-; exec awk -v job="$ca_job" "BEGIN { print system(job) }")
    ca_name=exit.$ca_number
    [ "$ca_number" -gt 255 ] && ca_name=signal.$((ca_number % 256))
else
    ca_number=$({ (eval "$ca_job"); printf " %s" $?; } 2>&1)
    ca_message=${ca_number% *}
    ca_number=${ca_number##* }
    ca_name=exit.$ca_number
    if [ "$ca_number" -gt 128 ] && [ "$ca_number" -le 192 ]; then
        case $ca_message$BASH_VERSION$ca_number in
        129 | 13[1-9] | 140 | 14[2-9] | 1[5-9]?) ;;
        *) ca_name=signal.$((ca_number - 128)) ;;
        esac
    fi
fi
# The control shell is gone, or another supervisor has the guard.
if [ ! -e "$ca_by" ]; then
    [ "$3" = later ] && rm -rf "$1"
    exit
fi
# Somebody has killed awk: nobody knows how the job ends, and it counts as lost.
[ "$ca_number" ] || exit

# The job has ended. What it wrote is in the pipes or spooled already: wait until the pumps have
# it, but only for a moment where somebody else holds a pipe open.
if [ "$ca_watchdog" ]; then
    kill -KILL "-$ca_watchdog" || kill -KILL "$ca_watchdog"
    [ -e timeout ] && kill -KILL "-$(echo pid.* | sed s/pid.//)"
fi
exec 3>&- 4>&-
if [ "$ca_pumps" ]; then
    trap : ALRM
    # Again and again: in mksh a wait does not always end by the first one.
    { sleep @DRAIN@ || sleep 1; while kill -ALRM $$; do sleep 1; done; } &
    wait $ca_pumps
fi
# On a disk that is full a file can still be renamed.
printf "" >"$ca_name" || mkdir "$ca_name" || mv "$ca_by" "$ca_name"
kill -WINCH "$ca_waiting"
[ "$ca_pumps" ] && kill $!
[ "$ca_feeder" ] && kill $ca_feeder
rm -f run.* spare.* p0 p1 p2 next
'

# What becomes the process of a job where its supervisor is a spare one.
ca_later='IFS= read -r ca_line <&5 && eval "$ca_line"'

# Deletes the folders of jobs that ended long ago; in the background of a supervisor.
ca_sweep='cd .. && for ca_old in $(find . ! -name . -prune -type d -mtime +@KEEP@); do
ca_by=$(echo "$ca_old"/by.*)
for ca_end in "$ca_old"/exit.* "$ca_old"/signal.*; do
[ -e "$ca_end" ] && break
done
if [ -e "$ca_end" ] || ! kill -0 "${ca_by##*.}"; then
rm -rf "$ca_old" ".claim-${ca_old#./}"
fi
done
for ca_old in $(find . ! -name . -prune -name ".claim-*" -mtime +@KEEP@); do
[ -e "${ca_old#./.claim-}" ] || rm -f "$ca_old"
done'

# folder JOB: sets ca_folder
folder() {
    ca_folder=$ca_base/$1
    ca_claim=$ca_base/.claim-$1
    [ -e "$ca_folder" ] || [ ! -e "$ca_claim" ] || adopt "$1"
}

# adopt JOB: a control shell that began the job in the folder of its spare supervisor did not come
# to rename it.
adopt() {
    set +f
    for ca_each in "$ca_base"/.spare-*/"id.$1"; do
        [ -e "$ca_each" ] && [ ! -e "$ca_folder" ] && mv "${ca_each%/*}" "$ca_folder"
    done
    set -f
}

# Decides where the job begins: false where somebody has decided before.
claim() {
    set -C
    printf '' >"$ca_claim"
    ca_result=$?
    set +C
    return $ca_result
}

# Sets ca_state, ca_code, ca_pid of ca_folder, from the names of files alone.
state() {
    ca_state=new ca_code=0 ca_pid=0 ca_by=
    [ -e "$ca_folder/go" ] || return 0
    ca_state=starting
    set +f
    for ca_file in "$ca_folder"/*.*; do
        case ${ca_file##*/} in
        by.*)
            ca_by=${ca_file##*.}
            ca_tag=${ca_file%.*}
            ca_tag=${ca_tag##*.}
            ;;
        exit.*) ca_state=exited ca_code=${ca_file##*.} ;;
        removed.*) ca_state=new && break ;;
        signal.*) ca_state=signaled ca_code=${ca_file##*.} ;;
        pid.*)
            ca_pid=${ca_file##*.}
            [ $ca_state = starting ] && ca_state=running
            ;;
        esac
    done
    set -f
}

# Sets ca_state to lost where the supervisor has ended without a word.
lost() {
    case $ca_state in
    starting | running) ;;
    *) return ;;
    esac
    [ "$ca_by" ] || return
    ca_gone=
    kill -0 "$ca_by" || ca_gone=1
    # After a restart of the machine the number may be somebody else's.
    [ -r "/proc/$ca_by/cmdline" ] && { grep -q "$ca_tag" "/proc/$ca_by/cmdline" || ca_gone=1; }
    [ "$ca_gone" ] || return
    state
    case $ca_state in
    starting | running) ca_state=lost ;;
    esac
}

# Sets ca_size1 and ca_size2 of ca_folder.
sizes() {
    ca_size1=0 ca_size2=0
    [ -s "$ca_folder/1" ] || [ -s "$ca_folder/2" ] || return 0
    set -- $(cd "$ca_folder" && ls -ln 1 2)
    ca_size1=${5:-0}
    # A date has two words in some userlands, and three in others.
    [ $# -gt 12 ] || return 0
    shift $(($# / 2))
    ca_size2=$5
}

do_START() {
    folder "$1"
    ca_in=$3 ca_out=$4 ca_err=$5 ca_timeout=$6 ca_grace=$7 ca_wait=$8 ca_max=$9
    decode "$2"
    ca_cwd=${ca_text:-$ca_start}
    case $ca_cwd in
    "~" | "~"/*) ca_cwd=$HOME${ca_cwd#"~"} ;;
    /*) ;;
    *) ca_cwd=$ca_start/$ca_cwd ;;
    esac
    ca_job=$1
    shift 9
    if [ -e "$ca_folder/go" ]; then
        [ "$1" = p ] || receive "$@" >/dev/null
    else
        ca_message=$ca_problem
        [ "$ca_message" ] || enterable "$ca_cwd"
        if [ "$ca_message" ]; then
            [ "$1" = p ] || receive "$@" >/dev/null
            fail "$ca_message"
            return
        fi
        take_spare "$1"
        if ! { prepare "$@" && { spared || launch; }; }; then
            why "$ca_work/probe"
            fail "the job was not started: $ca_message"
            return
        fi
        ca_folder=$ca_work
    fi
    [ "$ca_patient" ] && hasty
    ca_kicked=$ca_wakes
    progress 0 0 "$ca_max" "$ca_wait"
    ca_kicked=
}

# enterable FOLDER: sets ca_message where nobody can work in it
enterable() {
    if [ -d "$1" ]; then
        [ -x "$1" ] || ca_message='cannot work there: Permission denied'
    elif [ -e "$1" ]; then
        ca_message='cannot work there: Not a directory'
    else
        ca_message='cannot work there: No such file or directory'
    fi
}

# prepare p =RUN =COMMAND, or prepare b LENGTH RUNLENGTH: writes the files of a job
prepare() {
    ca_run=$ca_work/run.$ca_nonce
    ca_command=$ca_work/command.$ca_nonce
    ca_begin=$ca_prologue
    [ "$ca_spared" ] && ca_begin="ca_cwd='$ca_cwd'
$ca_prologue"
    [ -d "$ca_work" ] || mkdir "$ca_work" || [ -d "$ca_work" ]
    if [ "$1" = p ]; then
        { printf %s "$ca_begin" && printf "${2#=}"; } >"$ca_run" &&
            printf "${3#=}" >"$ca_command" || return 1
    else
        ca_length=$3
        ca_both=$ca_work/both.$ca_nonce
        printf '' >"$ca_both"
        store "$ca_both" 0 b "$2" || return 1
        { printf %s "$ca_begin" >"$ca_run" && dd bs="$ca_length" count=1 >>"$ca_run" &&
            cat >"$ca_command"; } <"$ca_both" || return 1
        rm -f "$ca_both" </dev/null
    fi
    printf '' >>"$ca_work/1" && printf '' >>"$ca_work/2" && printf '' >>"$ca_work/in"
}

# Starts the supervisor, and returns whether anybody has taken the guard.
launch() {
    settle
    supervise "$ca_folder" $ca_nonce $ca_in $ca_out $ca_err $ca_timeout $ca_grace "$ca_clean" || return
    ca_clean=
    guarded
}

# supervise WORD...: starts a supervisor with these arguments
supervise() {
    ca_waiting=$$
    (
        export ca_cwd ca_umask ca_locale ca_detach ca_sweep ca_waiting ca_supervisor ca_boss ca_later
        # A spare one gets the end of the pipe that it reads, so that it never waits to open it.
        if [ "$3" = later ]; then exec 5<"$1/next"; else exec 5<&-; fi
        exec 3<&- </dev/null >/dev/null
        # One process less where setsid can fork.
        [ "$ca_forks" ] && exec setsid -f sh -c "$ca_boss" ca_job "$@"
        eval "exec $ca_detach sh -c \"\$ca_launcher\" ca_launcher \"\$@\""
    ) || {
        [ "$ca_forks" ] || return
        ca_forks=
        supervise "$@"
    }
}

# Waits until somebody has taken the guard; false where nobody does.
guarded() {
    ca_tries=0
    until [ -e "$ca_work/go" ]; do
        ca_tries=$((ca_tries + 1))
        [ $ca_tries -lt 100 ] || return
        if [ $ca_tries -lt 20 ]; then sleep .002 </dev/null || tick; else tick; fi
    done
}

# ---- Spare supervisors
#
# To start a supervisor with its pipes takes longer than most commands. So, when a job was removed,
# the next supervisor is started: in a folder of its own, whose name becomes that of the job. It
# starts what becomes the process of the job, too, which waits to read from the pipe "next" how it
# continues. The control shell holds that pipe open, so that all of it ends when it does.
#
# The folder is renamed while the job runs already. Where this shell ends before that, the same
# request over another one finds the file "id.JOB" in the folder; the claim, of which there is one,
# says whether the job begins there or in a folder of its own name.
#
# A job with input or a time-out gets a supervisor that was started for it.

ca_spare=
ca_spares=0
# It removes its folder itself, unless this shell ends before it was started.
trap '[ "$ca_spare" ] && rm -rf "$ca_spare" </dev/null' EXIT

# spare: starts a spare supervisor where there is none
spare() {
    [ ! "$ca_spare$ca_problem" ] && [ $ca_spares -lt 1000000 ] || return
    ca_spares=$((ca_spares + 1))
    ca_spare=$ca_base/.spare-$ca_nonce-$ca_spares
    if mkdir "$ca_spare" && mkfifo "$ca_spare/next" "$ca_spare/p1" "$ca_spare/p2"; then
        exec 5<>"$ca_spare/next"
        supervise "$ca_spare" $ca_nonce later file file 0 0 ""
    else
        # Not again.
        rm -rf "$ca_spare"
        ca_spare= ca_spares=1000000
    fi
}

# spared: gives the job to the spare supervisor, if there is one; false where nobody has the guard
spared() {
    [ "$ca_spared" ] || return
    ca_streams='</dev/null 5<&-'
    case $ca_out in
    null) ca_streams="$ca_streams >/dev/null" ;;
    *) ca_streams="$ca_streams >p1" ;;
    esac
    case $ca_err in
    null) ca_streams="$ca_streams 2>/dev/null" ;;
    out) ca_streams="$ca_streams 2>&1" ;;
    *) ca_streams="$ca_streams 2>p2" ;;
    esac
    ca_guard='set -C;printf "" >go||exit;set +C;printf "" >"$ca_by"'
    ca_woken=
    printf '%s\n' "$ca_guard;exec $ca_streams;. ./run.$ca_nonce" >&5
    exec 5>&-
    settle
    # Where the end of the job wakes this shell, no process is needed to wait.
    [ "$ca_wakes" ] && [ "$ca_wait" != 0 ] && [ ! "$ca_woken" ] && tick
    guarded
}

# take_spare FORM: sets ca_work to the folder where the job begins, and ca_spared to whether that is the
# one of the spare supervisor.
take_spare() {
    ca_spared=
    ca_work=$ca_folder
    if ! is_spare; then
        claim
        return
    fi
    printf '' >"$ca_spare/id.$ca_job"
    if claim; then
        ca_spared=1
        ca_work=$ca_spare
        # A long command is read from a file of a known name.
        [ "$1" = p ] || settle
    else
        # Nobody may rename this one.
        exec 5>&-
    fi
    ca_spare=
}

# is_spare: whether the spare supervisor is fit for the job
is_spare() {
    [ "$ca_spare" ] && [ ! -e "$ca_folder" ] && [ $ca_in$ca_timeout = none0 ] || return
    case $ca_cwd in *\'*) return 1 ;; esac
    # It may not have begun yet, or somebody has killed it.
    set +f
    set -- "$ca_spare"/spare.*
    set -f
    kill -0 "${1##*.}"
}

# Makes the folder where the job begins that of its name.
settle() {
    [ "$ca_work" = "$ca_folder" ] || mv "$ca_work" "$ca_folder"
    [ -e "$ca_folder" ] && ca_work=$ca_folder
}

do_READ() {
    folder "$1"
    progress "$2" "$3" "$4" "$5"
}

# progress OFFSET1 OFFSET2 MAX WAIT: waits for output or the end, then answers
progress() {
    ca_ms=0 ca_polls=0 ca_next=0 ca_step=100 ca_data=
    # Short pauses for what is young; not again for what was quiet all through the last wait.
    [ "$ca_quiet" = "$ca_folder" ] && ca_polls=@FAST@ ca_step=500
    ca_quiet=
    while :; do
        # The end before the sizes: what is written after the one is in the other.
        state
        case $ca_state in
        new | exited | signaled) break ;;
        *)
            # Without its supervisor a job never ends.
            [ "$ca_by" ] && ! kill -0 "$ca_by" && break
            ;;
        esac
        if [ ! "$ca_data" ] && grown "$1" "$2"; then
            # The end is often near.
            ca_data=1 ca_polls=$((@FAST@ - 5))
        fi
        [ "$ca_pending" ] && break
        if [ $ca_ms -ge $(($4 * 100)) ]; then
            [ $ca_polls -gt @FAST@ ] && [ ! "$ca_data" ] && ca_quiet=$ca_folder
            break
        fi
        ca_polls=$((ca_polls + 1))
        if [ "$ca_kicked" ] && [ $ca_polls -le 3 ]; then
            # The supervisor ends this wait.
            tick
            ca_ms=$((ca_ms + 50))
        elif [ $ca_polls -le @FAST@ ] && [ "$ca_sleep" ]; then
            if [ $ca_polls -lt 8 ] || [ "$ca_data" ]; then ca_pause=.005; else ca_pause=.02; fi
            sleep $ca_pause </dev/null || ca_sleep=
            ca_ms=$((ca_ms + 15))
        else
            [ "$ca_data" ] && break
            tick
            ca_ms=$((ca_ms + 100))
        fi
    done
    lost
    sizes
    ca_n1=$((ca_size1 - $1)) ca_n2=$((ca_size2 - $2)) ca_flags=-
    [ $ca_n1 -lt 0 ] || [ $ca_n2 -lt 0 ] && ca_flags=$ca_flags,shrunk
    [ $ca_n1 -lt 0 ] && ca_n1=0
    [ $ca_n2 -lt 0 ] && ca_n2=0
    [ $ca_n1 -gt "$3" ] && ca_n1=$3
    [ $ca_n2 -gt $(($3 - ca_n1)) ] && ca_n2=$(($3 - ca_n1))
    [ -p "$ca_folder/p0" ] && ca_flags=$ca_flags,piped
    [ -e "$ca_folder/timeout" ] && ca_flags=$ca_flags,timeout
    [ -e "$ca_folder/cut1" ] && ca_flags=$ca_flags,cut1
    [ -e "$ca_folder/cut2" ] && ca_flags=$ca_flags,cut2
    answer OK $((ca_n1 + ca_n2)) $ca_state "$ca_code" "$ca_pid" "$ca_size1" "$ca_size2" $ca_n1 \
        $ca_flags
    piece "$ca_folder/1" "$1" $ca_n1
    piece "$ca_folder/2" "$2" $ca_n2
}

# grown OFFSET1 OFFSET2: whether there is output beyond, or less than there was. From the beginning
# that needs no process; otherwise one that is called at a growing interval.
grown() {
    if [ "$1$2" = 00 ]; then
        [ -s "$ca_folder/1" ] || [ -s "$ca_folder/2" ]
        return
    fi
    [ $ca_ms -ge $ca_next ] || return
    ca_next=$((ca_ms + ca_step))
    [ $ca_step -lt 500 ] && ca_step=$((ca_step + 50))
    sizes
    [ "$ca_size1" != "$1" ] || [ "$ca_size2" != "$2" ]
}

do_WRITE() {
    folder "$1"
    ca_at=$2 ca_length=$3 ca_end=$4
    shift 4
    [ -d "$ca_folder" ] || mkdir "$ca_folder" || [ -d "$ca_folder" ]
    if ! store "$ca_folder/in" "$ca_at" "$@"; then
        fail "${ca_problem:-$ca_message}"
        return
    fi
    size "$ca_folder/in"
    if [ "$ca_end" = 1 ] && [ "$ca_size" = $((ca_at + ca_length)) ]; then
        printf '' >"$ca_folder/in.end" || mkdir "$ca_folder/in.end"
    fi
    ok "$ca_size"
}

do_SIGNAL() {
    folder "$1"
    # Right after a start the number of the process is not known yet.
    ca_tries=0
    while state; [ $ca_state = starting ] && [ $ca_tries -lt 50 ]; do
        ca_tries=$((ca_tries + 1))
        sleep .02 </dev/null || tick
    done
    if [ $ca_state != running ]; then
        ok 0
    elif [ "$3" != - ] && ! mkdir "$ca_folder/sent-$3"; then
        ok 0
    elif kill "-$2" "-$ca_pid"; then
        ok 1
    else
        ok 0
    fi
}

do_LIST() {
    set +f
    for ca_each in "$ca_base"/.claim-*; do
        folder "${ca_each##*/.claim-}"
        set +f
    done
    for ca_each in "$ca_base"/*; do
        ca_job=${ca_each##*/}
        folder "$ca_job"
        state
        [ $ca_state = new ] && continue
        set +f
        lost
        sizes
        changed "$ca_folder/go"
        set +f
        ca_text=$(cat "$ca_folder"/command.* </dev/null | first 4096; echo x)
        text MORE "${ca_text%x}" "$ca_job" $ca_state "$ca_code" "$ca_pid" "$ca_time" \
            "$ca_size1" "$ca_size2"
    done
    set -f
    ok
}

do_REMOVE() {
    folder "$1"
    state
    lost
    case $ca_state in
    starting | running) fail 'the job runs: Device or resource busy' ;;
    *)
        run rm -rf "$ca_folder" "$ca_claim"
        spare
        ;;
    esac
}

do_PREVENT() {
    folder "$1"
    state
    if [ $ca_state = new ]; then
        # A start that has claimed the job already has its guard in a folder that comes here.
        claim || folder "$1"
        if bury; then
            ok
            return
        fi
    fi
    do_REMOVE "$1"
}

# Takes the guard of a job that was not started, so that a start that is still on its way does nothing;
# false where that start was faster. The folder is deleted as those of old jobs are.
bury() {
    [ ! -e "$ca_folder/removed.0" ] || return 0
    [ -d "$ca_folder" ] || mkdir "$ca_folder"
    (set -C; printf '' >"$ca_folder/go") && printf '' >"$ca_folder/removed.0" || return
    set +f
    rm -f "$ca_folder"/run.* "$ca_folder"/command.* "$ca_folder"/both.* "$ca_folder"/in* </dev/null
    set -f
}

# run COMMAND...: answers with OK, or with its message
run() {
    if ca_message=$("$@" 2>&1 </dev/null); then ok; else fail "$ca_message"; fi
}

# changed FILE: sets ca_time to the seconds since 1970 at which it was modified
changed() {
    [ "$ca_stat" ] || probe_stat
    case $ca_stat in
    G) ca_time=$(stat -c %Y "$1") ;;
    B) ca_time=$(stat -f %m "$1") ;;
    *) ca_time= ;;
    esac
    ca_time=${ca_time:--}
}

probe_stat() {
    ca_stat=L
    if stat -c %s / >/dev/null; then
        ca_stat=G
    elif stat -f %z / >/dev/null; then
        ca_stat=B
    fi
}

# ---- Files

# regular: whether ca_text is a regular file; answers with the reason where it is not. A pipe would
# block whoever opens it.
regular() {
    if [ -d "$ca_text" ]; then
        fail 'Is a directory'
    elif [ ! -e "$ca_text" ]; then
        absent
    elif [ ! -f "$ca_text" ]; then
        fail 'no regular file: Invalid argument'
    else
        return 0
    fi
    return 1
}

# absent: answers with the reason why ca_text is not there, which the system knows best
absent() { fail "$(LC_ALL=C ls -d "$ca_text" 2>&1 </dev/null)"; }

# as_user COMMAND...: like run, with the umask of jobs
as_user() {
    umask "$ca_umask"
    run "$@"
    umask 077
}

# kind FILE OPTION: sets ca_message to the line of a file; false, with the reason, where there is none
kind() {
    [ "$ca_stat" ] || probe_stat
    if [ "$2" ] && [ -L "$1" ] && [ ! -e "$1" ] && [ $ca_stat != G ]; then
        # There, stat and ls describe the link itself.
        ca_message='No such file or directory'
        return 1
    fi
    case $ca_stat in
    G) ca_message=$(stat $2 -c 'G %f %s %Y %Z %u %g %i %y %z' "$1" 2>&1) ;;
    B) ca_message=$(stat $2 -f 'B %p %z %m %c %u %g %i %Fm %Fc' "$1" 2>&1) ;;
    *)
        ca_message=$(ls -lnd $2 "$1" 2>&1) || return
        set -- $ca_message
        ca_message="L $1 $2 $3 $4 $5"
        ;;
    esac
}

do_STAT() {
    path "$1"
    ca_follow=
    [ "$2" = 1 ] && ca_follow=-L
    if kind "$ca_text" $ca_follow; then text OK "$ca_message"; else fail "$ca_message"; fi
}

do_DIR() {
    path "$1"
    if ! ca_message=$(ls -d "$ca_text/." 2>&1 </dev/null); then
        fail "$ca_message"
    elif [ ! -r "$ca_text" ]; then
        fail 'Permission denied'
    elif [ ! -x "$ca_text" ]; then
        fail 'Permission denied'
    else
        # In a process of its own, for its working directory.
        (cd "$ca_text" && entries)
    fi
}

# Answers with the entries of the working directory.
entries() {
    ca_end='
'
    [ "$ca_stat" ] || probe_stat
    set +f
    # A pattern that nothing matches stays as it is.
    set -- ./.[!.]*
    there "$1" || shift
    set -- ./..?* "$@"
    there "$1" || shift
    set -- ./* "$@"
    there "$1" || shift
    if [ $# = 0 ]; then
        text OK '' 0
        return
    fi
    # One process for all of them; one for each, where one has vanished or a name cannot be passed on.
    case $ca_stat in
    G) ca_lines=$(printf '%s\0' "$@" | xargs -0 stat -c 'G %f %s %Y %Z %u %g %i %y %z') ;;
    B) ca_lines=$(printf '%s\0' "$@" | xargs -0 stat -f 'B %p %z %m %c %u %g %i %Fm %Fc') ;;
    *) ! : ;;
    esac || {
        ca_lines= ca_names= ca_count=0
        for ca_each; do
            kind "$ca_each" || continue
            ca_lines=$ca_lines$ca_message$ca_end
            ca_names=$ca_names$ca_each/
            ca_count=$((ca_count + 1))
        done
        text OK "$ca_lines$ca_names" $ca_count
        return
    }
    ca_names=$(printf '%s/' "$@"; echo x)
    text OK "$ca_lines$ca_end${ca_names%x}" $#
}

there() { [ -e "$1" ] || [ -L "$1" ]; }

do_GET() {
    path "$1"
    ca_offset=$2 ca_max=$3
    regular || return
    if [ ! -r "$ca_text" ]; then
        fail 'Permission denied'
        return
    fi
    size "$ca_text"
    case $ca_size$ca_text in
    0* | */proc/* | */sys/*)
        # The size of what the system makes up is not true: measure it.
        ca_copy=$ca_base/.piece-$ca_nonce
        ca_message=$({
            {
                skip "$ca_offset"
                first "$ca_max" || exit 9
            } <"$ca_text" >"$ca_copy"
        } 2>&1) || {
            rm -f "$ca_copy" </dev/null
            fail "$ca_message"
            return
        }
        size "$ca_copy"
        answer OK "$ca_size" $((ca_offset + ca_size))
        piece "$ca_copy" 0 "$ca_size"
        rm -f "$ca_copy" </dev/null
        return
        ;;
    esac
    ca_length=$((ca_size - ca_offset))
    [ $ca_length -gt "$ca_max" ] && ca_length=$ca_max
    [ $ca_length -lt 0 ] && ca_length=0
    answer OK $ca_length "$ca_size"
    piece "$ca_text" "$ca_offset" $ca_length
}

do_PUT() {
    path "$1"
    ca_at=$2
    shift 3
    if [ -e "$ca_text" ] && [ ! -f "$ca_text" ]; then
        [ "$1" = p ] || receive "$@" >/dev/null
        regular
        return
    fi
    umask "$ca_umask"
    store "$ca_text" "$ca_at" "$@"
    ca_result=$?
    umask 077
    if [ $ca_result = 0 ]; then
        size "$ca_text"
        # The next piece needs no second look.
        ca_put="$ca_size $ca_text"
        ok "$ca_size"
    elif [ -e "${ca_text%/*}" ] && [ ! -d "${ca_text%/*}" ]; then
        # Shells report it like one that is missing.
        fail 'Not a directory'
    else
        fail "$ca_message"
    fi
}

# through LINK: sets ca_text to what a chain of symbolic links leads to
through() {
    ca_hops=0
    while [ -L "$ca_text" ] && [ $ca_hops -lt 40 ]; do
        ca_hops=$((ca_hops + 1))
        ca_link=$(readlink "$ca_text"; echo x)
        ca_link=${ca_link%?x}
        case $ca_link in
        /*) ca_text=$ca_link ;;
        *)
            case $ca_text in
            */*) ca_text=${ca_text%/*}/$ca_link ;;
            *) ca_text=./$ca_link ;;
            esac
            ;;
        esac
    done
}

do_REPLACE() {
    path "$2"
    ca_temporary=$ca_text
    ca_sum="$3 $4" ca_mode=$5
    path "$1"
    through
    if [ -e "$ca_text" ] && ! regular; then return; fi
    if [ ! -e "$ca_temporary" ]; then
        set -- $(cksum <"$ca_text")
        if [ "$ca_again" = 1 ] && [ "$1 $2" = "$ca_sum" ]; then ok; else fail 'No such file'; fi
        return
    fi
    set -- $(cksum <"$ca_temporary")
    if [ "$1 $2" != "$ca_sum" ]; then
        fail 'bytes were lost on the way: Input/output error'
        return
    fi
    if [ -e "$ca_text" ]; then
        # Owner first: a change of the owner takes special modes away.
        set -- $(ls -lnd "$ca_text")
        ca_owner=$3:$4
        set -- "$1" $(ls -lnd "$ca_temporary")
        [ "$ca_owner" = "$4:$5" ] || chown "$ca_owner" "$ca_temporary" </dev/null
        [ "$ca_mode$1" = "-$2" ] || [ "$ca_mode" != - ] || ca_mode=$(echo "$1" | sed '
            s/^.\(...\)\(...\)\(...\).*/u=\1,g=\2,o=\3/
            s/-//g
            s/s/xs/g
            s/S/s/g
            s/[tT]//g')
    fi
    if [ "$ca_mode" != - ] && ! ca_message=$(chmod "$ca_mode" "$ca_temporary" 2>&1 </dev/null); then
        fail "$ca_message"
        return
    fi
    run mv -f "$ca_temporary" "$ca_text"
}

do_CKSUM() {
    path "$1"
    regular || return
    if ca_message=$({ cksum <"$ca_text"; } 2>&1); then ok $ca_message; else fail "$ca_message"; fi
}

do_MKDIR() {
    path "$1"
    if [ "$2" = 1 ]; then
        as_user mkdir -p "$ca_text"
    elif [ "$ca_again" = 1 ] && [ -d "$ca_text" ]; then
        ok
    else
        as_user mkdir "$ca_text"
    fi
}

do_RM() {
    path "$1"
    if [ ! -e "$ca_text" ] && [ ! -L "$ca_text" ]; then
        if [ "$ca_again" = 1 ]; then ok; else absent; fi
    elif [ ! -d "$ca_text" ] || [ -L "$ca_text" ]; then
        run rm -f "$ca_text"
    elif [ "$2" = 1 ]; then
        run rm -rf "$ca_text"
    else
        run rmdir "$ca_text"
    fi
}

do_MV() {
    path "$2"
    ca_target=$ca_text
    path "$1"
    if [ ! -e "$ca_text" ] && [ ! -L "$ca_text" ]; then
        if [ "$ca_again" = 1 ] && [ -e "$ca_target" ]; then ok; else absent; fi
        return
    fi
    # mv would move into a directory; as rename does, replace an empty one with another one.
    if [ -d "$ca_target" ] && [ ! -L "$ca_target" ]; then
        if [ ! -d "$ca_text" ] || [ -L "$ca_text" ]; then
            fail 'Is a directory'
            return
        fi
        if ! ca_message=$(rmdir "$ca_target" 2>&1 </dev/null); then
            fail "$ca_message"
            return
        fi
    elif [ -d "$ca_text" ] && [ ! -L "$ca_text" ] && [ -e "$ca_target" ]; then
        fail 'Not a directory'
        return
    fi
    run mv -f "$ca_text" "$ca_target"
}

do_CP() {
    path "$2"
    ca_target=$ca_text
    path "$1"
    regular || return
    if [ -d "$ca_target" ]; then
        fail 'Is a directory'
    else
        as_user cp "$ca_text" "$ca_target"
    fi
}

# ---- The machine

do_INFO() {
    text OK "system=$(uname -s)
release=$(uname -r)
machine=$(uname -m)
host=$(uname -n)
uid=$(id -u)
gid=$(id -g)
home=$HOME
cwd=$ca_start
pid=$$
jobs=$ca_base
detach=${ca_detach%% *}"
}

# Inside a container its engine mounts a file of the container's folder as /etc/hostname; the name
# of the host begins with, or is, the id; or there is a file of the engine. The namespaces tell two
# control shells apart.
do_INSIDE() {
    decode "$1"
    ca_host=$(uname -n)
    ca_mount=0 ca_name=0 ca_engine=0
    [ "$ca_text" ] && grep -q "/$ca_text[^ ]*/hostname /etc/hostname " /proc/self/mountinfo &&
        ca_mount=1
    case $ca_text in
    "$ca_host"*) [ ${#ca_host} -ge 12 ] && ca_name=1 ;;
    esac
    [ -e /.dockerenv ] || [ -e /run/.containerenv ] && ca_engine=1
    text OK "mount=$ca_mount
name=$ca_name
engine=$ca_engine
host=$ca_host
mounts=$(readlink /proc/self/ns/mnt)
processes=$(readlink /proc/self/ns/pid)"
}

# ---- The loop

do_NOP() { ok; }

do_QUIT() {
    ok
    exit 0
}

ca_id=0
ca_can=
[ "$_ca_head" ] && command -v base64 >/dev/null && ca_can=base64
[ "$ca_detach" ] && ca_can=$ca_can,detach
[ "$ca_problem" ] || ca_can=$ca_can,spool
text OK "$ca_problem" @VERSION@ $$ "${ca_can:--}"

ca_idle=0
while :; do
    while [ ! "$ca_pending" ]; do
        ca_before=$ca_line
        tick
        ca_idle=$((ca_idle + 1))
        [ "$ca_line" = "$ca_before" ] || ca_idle=0
        [ "$ca_patient" ] && [ ! "$ca_pending" ] && hasty
        [ $ca_idle -gt @IDLE@ ] && exit 0
    done
    ca_pending=
    ca_idle=0
    set -- $ca_line
    ca_line=
    ca_id=$1
    ca_op=$2
    ca_again=$3
    [ "$ca_patient" ] && [ "$ca_op" != PUT ] && [ "$ca_op" != WRITE ] && hasty
    case $ca_op in
    NOP | QUIT | INFO | INSIDE | START | READ | WRITE | SIGNAL | LIST | REMOVE | PREVENT | \
        STAT | DIR | GET | PUT | REPLACE | CKSUM | MKDIR | RM | MV | CP)
        shift 3
        "do_$ca_op" "$@"
        ;;
    *) fail 'unknown request' ;;
    esac
done
