# What both scripts of this folder need: the program, a place for packages, a running server. Sourced, not run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
gatecrash=$(realpath "${GATECRASH:-$root/target/release/gatecrash}")
work=$(realpath -m "${OPINION_DIR:-$root/target/second-opinion}")

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

[[ -x $gatecrash ]] || fail "there is no program $gatecrash; build it, or name it in GATECRASH"

# The pinned packages, once for each list of them.
install() {
  local stamp
  stamp=$(sha256sum "$here/requirements.txt" | cut -d' ' -f1)
  [[ $(cat "$work/installed" 2>/dev/null) == "$stamp" ]] && return
  echo "installing" >&2
  rm -rf "$work/venv"
  mkdir -p "$work"
  python3 -m venv "$work/venv"
  timeout 300 "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  echo "$stamp" >"$work/installed"
}

# Starts the reference server on free ports, with the given further arguments; sets api and control.
serve() {
  "$gatecrash" serve --listen 127.0.0.1:0 --control 127.0.0.1:0 --clock virtual "$@" >"$work/serve.log" 2>&1 &
  server=$!
  trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
  for _ in {1..100}; do
    api=$(sed -n 's/^reference server *//p' "$work/serve.log" | cut -d' ' -f1)
    control=$(sed -n 's/^control plane *//p' "$work/serve.log" | cut -d' ' -f1)
    [[ -n $api && -n $control ]] && curl --silent --output /dev/null --max-time 2 "$api/" && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/serve.log" >&2
  fail "the reference server did not start within 10 s"
}
