#!/usr/bin/env bash
# Every theorem of this room checked again by Coq, from definitions up, with no axioms.
#
#     bash proofs/coq/check.sh            export the certificates, have them checked, hold the result against the seal
#     bash proofs/coq/check.sh --seal     the same, and seal the result: statuses say "two kernels" where it fits
#     bash proofs/coq/check.sh DIRECTORY  check what `muso prove --coq DIRECTORY` wrote, and seal nothing
#
# It needs Coq 8.16 and MathComp 1.15 (Debian: coq, libcoq-mathcomp-algebra) and, but for DIRECTORY, the package itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
command -v coqc coqchk > /dev/null || { echo "coqc is missing: apt-get install coq libcoq-mathcomp-algebra"; exit 2; }
write=False directory=
case ${1:-} in
    --seal) write=True ;;
    "") ;;
    *) directory=$(cd "$1" && pwd) ;;
esac
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
read_certificates="import json, pathlib, sys
from muso_theory.claims.theorems.sealing import seal, sealed_result, write_coq
files = sorted(pathlib.Path(sys.argv[1]).glob('*.json'))
certificates = [json.loads(file.read_text(encoding='utf-8')) for file in files]"
if [ -n "$directory" ]; then
    cp "$directory"/*.v "$directory/_CoqProject" "$build"
else
    "$python" -c "$read_certificates
export = write_coq(sys.argv[2], certificates)
for name, reason in export.missing.items():
    print(f'not exported: {name}, {reason}')" "$here/../certificates" "$build"
fi
cp "$here"/*.v "$build"
cd "$build"
modules=()
for file in Algebra.v Models.v Trust.v $(grep '\.v$' _CoqProject); do
    echo "compiling $file" >&2
    # Listing.v comes last and prints every statement, and what it assumes.
    coqc -w none -Q . Muso "$file" > listing.txt || { tail -n 30 listing.txt; echo "REJECTED $file"; exit 1; }
    modules+=("Muso.${file%.v}")
done
asked=$(grep -c '^Print Assumptions' Listing.v || true)
closed=$(grep -c '^Closed under the global context$' listing.txt || true)
grep '^ *: \|^[A-Za-z_0-9]*$\|^Closed' listing.txt | grep -v '^models_of'
if [ "$asked" != "$closed" ] || grep -q '^Axioms:' listing.txt; then
    echo "REJECTED: $((asked - closed)) of $asked rest on axioms"
    exit 1
fi
echo "checking what was compiled" >&2
coqchk -silent -o -Q . Muso "${modules[@]}" > checked.txt 2>&1 || { tail -n 30 checked.txt; exit 1; }
if [ "$(grep -c '<none>' checked.txt)" != 4 ]; then  # axioms, type-in-type, unsafe fixpoints, positivity
    cat checked.txt
    exit 1
fi
theorems=$(grep -c '^(\* theorem ' $(grep '\.v$' _CoqProject) | awk -F: '{ n += $2 } END { print n }')
echo "$theorems theorems, $(($(grep -c '^Check' Listing.v) - theorems - 3)) statements on models: all closed under the global context"
if [ -z "$directory" ]; then
    "$python" "$here/compare.py" "$PWD/listing.txt"
    "$python" -c "$read_certificates
result = sealed_result(sys.argv[2], certificates)
total = {node['name'] for certificate in certificates for node in certificate['theorems']}
print(f\"{len(result['closed'])} of {len(total)} theorems, {len(result['certificates'])} of {len(certificates)} claims\")
if not seal(result, write=$write):
    sys.exit('the sealed result is another one; run: bash proofs/coq/check.sh --seal')" "$here/../certificates" "$build"
fi
