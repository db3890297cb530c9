#!/bin/sh
# What only a GPU can show, in under nine minutes: the tests marked `gpu`, the table of speeds, and a part of a
# suite as a packed entry. Each part takes four minutes at most; those that are done are not done again: run it
# again to go on. genbench must be installed, an editable one will do.
#
#   tests/gpu/check.sh [FOLDER]     (gpu-check where left out; SUITE and DATA may be set)
#
# FOLDER/gpu.json has the figures, FOLDER/entry the entry, FOLDER/tests.txt what the tests said.
set -u
out=${1:-gpu-check}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/../.." || exit 1
python3 -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "no CUDA device: nothing to check here")' || exit 1

if [ ! -f "$out/tests.done" ]; then
    timeout 240 python3 -m pytest tests/gpu -m gpu -n 0 -q -p no:cacheprovider >"$out/tests.txt" 2>&1
    code=$?
    tail -n 3 "$out/tests.txt"
    [ $code -eq 124 ] || echo $code >"$out/tests.done"
fi

if [ ! -f "$out/table.done" ]; then
    PYTHONPATH=tests timeout 150 python3 -m gpu.table "$out/gpu.json" && touch "$out/table.done"
fi

suite=${SUITE:-cifar10-jpeg-gpu}
timeout -s INT -k 15 120 python3 -m genbench run --suite "$suite" --device cuda --workers 8 --budget 60s \
    ${DATA:+--data "$DATA"} --out "$out/run"
python3 -m genbench leaderboard pack "$out/run" --out "$out/entry"
[ -f "$out/tests.done" ] && [ -f "$out/table.done" ] && [ -d "$out/entry" ] || {
    echo "not all parts are done: run it again"
    exit 1
}
exit "$(cat "$out/tests.done")"
