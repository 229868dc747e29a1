# Functions of .ci/run and .ci/nightly, which source this file: checks, each of which runs whatever came of the others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND…
    local name=$1 started=$SECONDS
    shift
    printf '\n=== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        printf -- '--- %s: passed in %d s\n' "$name" $((SECONDS - started))
    else
        failed=$((failed + 1))
        printf -- '--- %s: FAILED\n' "$name"
    fi
}

# Every checker is asked about something that must not pass first, so that one that passes everything is noticed.
refuses() { # WORD COMMAND…: the command fails, and says the word
    local word=$1
    shift
    if "$@" > "$work/refusal.txt" 2>&1 || ! grep -qi -- "$word" "$work/refusal.txt"; then
        echo "$1 does not refuse what it must, or not because of \"$word\":" >&2
        cat "$work/refusal.txt" >&2
        return 1
    fi
}

# From npm. A machine without it is a person's, who may go without.
has_npm() {
    command -v npm >/dev/null || {
        echo "npm is not installed, which this check needs." >&2
        return 1
    }
}

install_node() { # FOLDER PACKAGE…
    local folder=$1
    shift
    npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$@"
}

# The last lines of a script: how many checks passed, and the exit code.
finish() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    test "$failed" -eq 0
}
