#!/bin/sh
# The first process of each container of the gateway's Pod: runs the container's program, and again when it has ended or
# hangs. When a container ends Kubernetes takes its Pod out of every Service at once, although the others serve on; when
# that happens in every replica, users are refused.
#
#   supervise.sh agent|frps|tunnel|users
#
# A program is killed when the agent says that it does not answer (PART.restart); the agent itself when it has written
# nothing new to agent.beat for five seconds. One that waits for a core is slow and not stuck: it is spared for some 15
# seconds, because whoever starts anew on a busy machine takes more of it, and so do all the sidecars that dial again.
#
# What the container of a HAProxy uses of its memory limit is written to PART.memory: nobody else can see it. Of frps,
# frps.memory has the bytes that it uses, and those that it may use (FRPS_MEMORY): the agent turns away who fills them.
[ $$ = 1 ] || { echo "supervise.sh must be the first process of a container: it ends all others" >&2; exit 2; }
run=${FRP_GATEWAY_RUN:-/run/frp-gateway}
part=$1
case $part in
agent)
  # Every configuration is checked with the program that is to run it (haproxy-program.sh).
  set -- node /app/frp-k8s.mjs gateway --config /etc/frp-k8s/config.yaml \
    --haproxy '/opt/haproxy/ld.so --library-path /opt/haproxy/lib /opt/haproxy/haproxy'
  ;;
frps)
  set -- "${FRPS:-/usr/bin/frps}" -c "${FRPS_CONFIG:-/etc/frp/frps.toml}"
  # What a client that is gone has left is given back before the limit.
  [ -z "$FRPS_MEMORY" ] || export GOMEMLIMIT=$((FRPS_MEMORY / 4 * 3))
  ;;
tunnel | users) set -- haproxy -W -db -S $run/$part/master.sock -f $run/$part/current/haproxy.cfg ;;
*) echo "supervise.sh: no part is named '$part'" >&2; exit 2 ;;
esac
restart=$run/$part.restart
beat=$run/agent.beat

child='' stopping=''
# A signal to the container is one to its program, which ends when it is done.
pass() {
  stopping=1
  [ -z "$child" ] || kill "-$1" "$child" 2>/dev/null
}
trap 'pass TERM' TERM
trap 'pass USR1' USR1

# Bytes that this container uses and that the kernel could not take back by itself: all but what it keeps of files.
memory() {
  at=/sys/fs/cgroup/memory.current
  [ -r $at ] || at=/sys/fs/cgroup/memory/memory.usage_in_bytes # cgroup v1
  read -r bytes <$at || return
  while read -r name value; do
    case $name in active_file | inactive_file) bytes=$((bytes - value)) ;; esac
  done <${at%/*}/memory.stat
  echo $bytes
}

# What frps has in memory, in one step, for nobody to read half of it.
measure() {
  while read -r name kilobytes _; do
    [ "$name" = VmRSS: ] && echo "$((kilobytes * 1024)) $FRPS_MEMORY" >$run/frps.memory.new && mv $run/frps.memory.new $run/frps.memory
  done <"/proc/$child/status"
} 2>/dev/null

# Nanoseconds that all but the first process have waited for a core so far; 0 where the kernel does not tell.
waited() {
  sum=0
  for file in /proc/[0-9]*/task/[0-9]*/schedstat; do
    case $file in /proc/1/*) continue ;; esac
    read -r _ waiting _ <"$file" && sum=$((sum + waiting))
  done
  echo $sum
} 2>/dev/null

# Whether the program is to be spared: in half a second its threads have waited for half as long, together.
starves() {
  [ $spared -lt 10 ] || return 1
  before=$(waited)
  sleep 0.5
  [ $(($(waited) - before)) -gt 250000000 ] || return 1
  spared=$((spared + 1)) calm=0
  echo "supervise: $part does not answer; it waits for a core, and is spared" >&2
}

# Kills everything but the first process and itself.
watch() {
  trap - TERM USR1
  last='' missed=0 spared=0 calm=0
  while sleep 0.5; do
    calm=$((calm + 1))
    [ $calm -lt 20 ] || spared=0
    if [ -e $restart ]; then
      if starves; then
        rm -f $restart
      else
        echo "supervise: $part does not answer and is killed" >&2
        kill -9 -1
      fi
    fi
    case $part in tunnel | users) memory >$run/$part.memory 2>/dev/null ;; esac
    [ "$part" != frps ] || [ -z "$FRPS_MEMORY" ] || measure
    [ "$part" = agent ] && [ -e $beat ] || continue
    now=$(cat $beat 2>/dev/null)
    if [ "$now" = "$last" ]; then missed=$((missed + 1)); else missed=0 last=$now; fi
    if [ $missed -ge 10 ] && starves; then
      missed=5
    elif [ $missed -ge 10 ]; then
      echo "supervise: $part has done nothing for five seconds and is killed" >&2
      kill -9 -1
    fi
  done
}

seconds() { read -r uptime _ </proc/uptime && echo "${uptime%.*}"; }

while :; do
  rm -f $restart
  [ "$part" != agent ] || rm -f $beat
  began=$(seconds)
  "$@" &
  child=$!
  watch &
  while :; do
    wait "$child"
    status=$?
    # A signal that was passed on ends the wait too.
    kill -0 "$child" 2>/dev/null || break
  done
  child=''
  [ -z "$stopping" ] || exit "$status"
  echo "supervise: $part has ended with status $status and is started again" >&2
  # What is left of it, such as HAProxy's workers.
  kill -9 -1 2>/dev/null
  [ $(($(seconds) - began)) -ge 2 ] || sleep 1
  [ -z "$stopping" ] || exit "$status"
done
