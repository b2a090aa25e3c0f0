#!/bin/sh
# The preStop hook of HAProxy for users: takes nothing new, and ends when nobody is served any more.
#
# HAProxy does not know by itself: a worker that is told to stop hands its tables to the process that follows it, and
# waits for that one although there is none.

# Whether a connection is established at a port that listens on every address, but for the Pod's own: 7000 (tunnels),
# 8081 (operations), 10000 (tables). The kernel lists ports in hexadecimal; state 0A listens, 01 is established.
users() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
    { split($2, local, ":") }
    $4 == "0A" && local[1] ~ /^0+$/ { open[local[2]] = 1 }
    $4 == "01" { connections[local[2]]++ }
    END {
      delete open["1B58"]; delete open["1F91"]; delete open["2710"]
      for (port in open) if (connections[port]) exit 0
      exit 1
    }'
}

sleep 10 # until nobody sends new connections here
kill -USR1 1
while users; do sleep 1; done
kill -TERM 1
