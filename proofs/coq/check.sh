#!/usr/bin/env bash
# Every theorem of this room checked again by Coq, from definitions up, with no axioms.
#
#     bash proofs/coq/check.sh                         export the certificates, have them checked, hold the result
#                                                      against the seal
#     bash proofs/coq/check.sh --seal                  the same, and seal the result: statuses say "two kernels" where it fits
#     bash proofs/coq/check.sh DIRECTORY [STATEMENTS]  check what `muso prove --coq DIRECTORY` wrote against STATEMENTS
#                                                      (DIRECTORY/statements.txt), and seal nothing
#
# Nothing is kept from run to run: a cache of compiled files, or of their hash, would have to be believed.
# It needs Coq 8.16 and MathComp 1.15 (Debian: coq, libcoq-mathcomp-algebra) and python3 or what PYTHON names; without
# DIRECTORY one that has this package.
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
[ -n "$directory" ] || "$python" -c "import muso_theory.algebra" 2> /dev/null || {
    echo "$python has not this package: PYTHON=/path/to/python bash proofs/coq/check.sh"
    exit 2
}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
read_certificates="import json, pathlib, sys
from muso_theory.claims.theorems.sealing import seal, sealed_result, write_coq
files = sorted(pathlib.Path(sys.argv[1]).glob('*.json'))
certificates = [json.loads(file.read_text(encoding='utf-8')) for file in files]"
if [ -n "$directory" ]; then
    cp "$directory"/*.v "$directory/_CoqProject" "$build"
    statements=${2:-$directory/statements.txt}
else
    "$python" -c "$read_certificates
export = write_coq(sys.argv[2], certificates)
for name, reason in export.missing.items():
    print(f'not exported: {name}, {reason}')" "$here/../certificates" "$build"
    statements=$here/../statements.txt
fi
# What is to be proved is said by files that know nothing of the exported ones, and take the place of any such.
cp "$here"/*.v "$build"
"$python" "$here/judge.py" "$build" "$statements" || [ "$?" = 1 -a -z "$directory" ]
cd "$build"
modules=()
files="Algebra.v Models.v Trust.v Statements.v $(grep '\.v$' _CoqProject | grep -Evx '(Algebra|Models|Trust|Statements|Listing|Ends|Convergence|Limits)\.v') Listing.v"
# What stands in Limits.v needs the certified theorems that it names; a user's own may be exported without them.
lacking=$(for name in $(sed -n 's/^From Muso Require Import \(.*\)\.$/\1/p' Limits.v); do
    case " Convergence.v $files " in *[[:space:]]"$name.v"[[:space:]]*) ;; *) echo "$name" ;; esac
done)
if [ -z "$lacking" ]; then
    {
        head -n 1 Listing.v
        echo "From Muso Require Limits. Local Open Scope ring_scope. Set Printing Width 1000000."
        sed -n '/^Section Vocabulary/,/^(\* ---- Identities/s/^Definition \(\w*\).*/Print Convergence.\1./p' Convergence.v
        sed -n 's/^Theorem \(\w*\) .*/Check @Limits.\1.\nPrint Assumptions Limits.\1./p' Limits.v
    } > Ends.v
    files="$files Convergence.v Limits.v Ends.v"
else
    echo "not compiled: Limits.v, which needs" $lacking
fi
: > listing.txt
for file in $files; do
    echo "compiling $file" >&2
    # Listing.v and Ends.v ask what was proved, and what it assumes; what another file prints is no evidence.
    coqc -w none -Q . Muso "$file" > printed.txt || { tail -n 30 printed.txt; echo "REJECTED $file"; exit 1; }
    case $file in Listing.v | Ends.v) cat printed.txt >> listing.txt ;; esac
    modules+=("Muso.${file%.v}")
done
asked=$(cat Listing.v Ends.v 2> /dev/null | grep -c '^Print Assumptions' || true)
closed=$(grep -c '^Closed under the global context$' listing.txt || true)
cat Statements.v
grep -v '^Arguments \|^$\|^judged_\|^ *: Statements\.' listing.txt
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
limits=$(cat Ends.v 2> /dev/null | grep -c '^Check' || true)
echo "$asked claims and limits asked ($limits limits): all closed under the global context"
"$python" "$here/judge.py" --judged "$statements" listing.txt
if [ -z "$directory" ]; then
    "$python" -c "$read_certificates
result = sealed_result(sys.argv[2], certificates)
total = {node['name'] for certificate in certificates for node in certificate['theorems']}
print(f\"{len(result['closed'])} of {len(total)} theorems, {len(result['certificates'])} of {len(certificates)} claims\")
if not seal(result, write=$write):
    sys.exit('the sealed result is another one; run: bash proofs/coq/check.sh --seal')" "$here/../certificates" "$build"
fi
