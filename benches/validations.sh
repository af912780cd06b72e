#!/usr/bin/env bash
# Validations a second of the reference server on one core, with a thousand and with a million live tokens, in turn.
# Needs wrk and taskset, and a quiet machine with two cores: the server has core 0, wrk has core 1.
# usage: benches/validations.sh [FLOW] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
flow=${1:-gateway-button}
seconds=${2:-5}
seeded=${SEEDED:-target/release/examples/seeded}
[ -x "$seeded" ] || cargo build --release --quiet -p reference-server --example seeded
case $flow in
gateway-button) path=/api/v2/accesstoken scheme=Bearer ;;
visitor-login) path=/v1/get/ scheme=Token ;;
environment-token) path=/sandbox/SUAPI/jservice/auth/validate-access-token scheme=Bearer ;;
*) path=/users/me scheme=Bearer ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/rotate.lua" <<LUA
local tokens, at = {}, 0
for line in io.lines("$work/tokens") do tokens[#tokens + 1] = line end
function request()
  at = at % #tokens + 1
  return wrk.format("GET", "$path", { Authorization = "$scheme " .. tokens[at] })
end
LUA
one() {
    mkfifo "$work/stop"
    taskset -c 0 "$seeded" "$flow" "$1" < "$work/stop" > "$work/out" &
    exec 9> "$work/stop"
    while [ "$(wc -l < "$work/out")" -le "$1" ]; do :; done
    # Both runs ask for a thousand tokens, spread over all of them: the difference is the table, not the list.
    tail -n +2 "$work/out" | awk -v step="$(($1 / 1000))" 'NR % step == 0' > "$work/tokens"
    taskset -c 1 wrk -t1 -c64 -d"${seconds}s" -s "$work/rotate.lua" "$(head -1 "$work/out")" | grep -E "Requests/sec|Non-2xx" | sed "s/^/$flow $1 live: /"
    exec 9>&-
    wait
    rm "$work/stop"
}
for _ in 1 2 3; do
    one 1000
    one 1000000
done
