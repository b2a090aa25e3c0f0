#!/bin/sh
# The preStop hook of HAProxy for users: takes nothing new, and ends when nobody is served any more.
#
# HAProxy does not know by itself: a worker that is told to stop hands its tables to the process that follows it, and
# waits for that one although there is none.

# Ports of users: what listens on more than loopback, but for the Pod's own: 7000 (tunnels), 8081 (operations), and 10000
# to 10004 (tables, failover, health, status), and but for the one that tunnels share with users. The kernel lists ports in hexadecimal; state 0A listens, 01 is established.
shared=$(awk '/^frontend shared/ { found = 1 } found && /^  bind :/ { sub(/^  bind :/, ""); printf "%04X", $0 + 0; exit }' \
  /run/frp-gateway/tunnel/current/haproxy.cfg 2>/dev/null)
ports=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v shared="$shared" '
  { split($2, local, ":") }
  $4 == "0A" && local[2] != shared && local[1] !~ /^(0100007F|00000000000000000000000001000000)$/ && local[2] !~ /^(1B58|1F91|2710|2711|2712|2713|2714)$/ { print local[2] }')

# Those whom another process has accepted and brought to HAProxy (gateway.tunnelPort): state 03 is connected.
brought() {
  awk '$6 == "03" && $8 ~ /\/users\/fallback-/ { found = 1 } END { exit !found }' /proc/net/unix
}

users() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v ports="$ports" '
    BEGIN { n = split(ports, list); for (i = 1; i <= n; i++) open[list[i]] = 1 }
    { split($2, local, ":") }
    $4 == "01" && local[2] in open { found = 1 }
    END { exit !found }' || brought
}

sleep 10 # until nobody sends new connections here
kill -USR1 1
while users; do sleep 1; done
# The second one ends a HAProxy that waits for its tables to be taken.
kill -TERM 1
