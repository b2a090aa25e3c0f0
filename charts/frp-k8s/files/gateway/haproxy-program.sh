#!/bin/sh
# Brings HAProxy, as it is in this image, to where the agent can run it: DIR/haproxy, its libraries in DIR/lib, and the
# loader DIR/ld.so. So the agent checks a configuration with the very program that is to run it, whatever image that is.
#
#   haproxy-program.sh DIR
set -eu
program=$(command -v haproxy)
mkdir -p "$1/lib"
cp "$program" "$1/haproxy"
{ ldd "$program" 2>/dev/null || LD_TRACE_LOADED_OBJECTS=1 "$program"; } |
  sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*$/\1/p' | while read -r library; do cp "$library" "$1/lib/"; done
cp "$1"/lib/ld-* "$1/ld.so"
"$1/ld.so" --library-path "$1/lib" "$1/haproxy" -v
