#!/bin/sh
# Installs what the program needs on this machine and leaves alone what is
# there: PostgreSQL and Redis, as binaries only (no service is started, enabled
# or configured; internal/engines runs its own). With --for-tests also make, a
# browser, node to check the pages' scripts, axe-core to check the pages (from
# npm, in the version of deploy/axe/package-lock.json), and the C compiler that
# Go's race detector needs.
#
# Quick when nothing is missing. Exit 1 with one line where it cannot help.
set -eu

for_tests=no
case "${1-}" in
"") ;;
--for-tests) for_tests=yes ;;
*)
	echo "usage: deploy/setup.sh [--for-tests]" >&2
	exit 2
	;;
esac

fail() {
	echo "setup: $*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# The directories of the PATH as words; a space in one becomes a pattern that matches it.
path_dirs() { printf '%s' "$PATH" | tr ' :' '? '; }

# The same places as internal/engines/binaries.go.
has_postgres() {
	for dir in $(path_dirs) /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql*/bin /opt/homebrew/bin /usr/local/opt/postgresql*/bin \
		/usr/local/pgsql/bin /usr/local/bin /usr/bin; do
		[ -x "$dir/postgres" ] || continue
		server=$(readlink -f "$dir/postgres") || continue
		[ -x "${server%/*}/initdb" ] && return 0
	done
	return 1
}

has_redis() {
	for dir in $(path_dirs) /opt/homebrew/bin /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin; do
		{ [ -x "$dir/redis-server" ] || [ -x "$dir/valkey-server" ]; } && return 0
	done
	return 1
}

# The names that chromedp looks for.
has_browser() {
	for name in headless_shell headless-shell chromium chromium-browser google-chrome google-chrome-stable google-chrome-beta google-chrome-unstable; do
		has "$name" && return 0
	done
	[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}

has_compiler() { { has gcc || has clang; } && { [ -e /usr/include/stdlib.h ] || [ "$(uname)" != Linux ]; }; }

# axe-core in the version that is locked. The lock file brings its hash.
axe=$(dirname "$0")/axe
has_axe() {
	locked=$(sed -n 's/.*"axe-core": "\([0-9.]*\)".*/\1/p' "$axe/package.json")
	[ -n "$locked" ] && grep -qs "\"version\": \"$locked\"" "$axe/node_modules/axe-core/package.json"
}

install_axe() {
	[ $for_tests = no ] || has_axe || {
		echo "setup: installing axe-core"
		npm ci --prefix "$axe" --no-audit --no-fund --ignore-scripts --silent >/dev/null 2>&1 && has_axe ||
			fail "npm could not install axe-core for the accessibility tests: is the npm registry within reach? Try: npm ci --prefix deploy/axe"
	}
}

has go || fail "Go is missing: install Go 1.26 or newer from https://go.dev/dl/ and put its bin directory on the PATH"

packages=
has_postgres || packages="$packages postgresql"
has_redis || packages="$packages redis-server"
if [ $for_tests = yes ]; then
	has_browser || packages="$packages chromium fonts-dejavu-core"
	has_compiler || packages="$packages gcc libc6-dev"
	has make || packages="$packages make"
	has node || packages="$packages nodejs"
	has npm || has_axe || packages="$packages npm"
fi
[ -n "$packages" ] || {
	install_axe
	exit 0
}

has apt-get || fail "missing:$packages (these are Debian's names; on macOS: brew install go postgresql redis); for the program itself DATABASE_URL and REDIS_URL may name servers instead"
root=
if [ "$(id -u)" != 0 ]; then
	has sudo && sudo -n true 2>/dev/null || fail "missing:$packages; run: sudo apt-get install -y --no-install-recommends$packages"
	root=sudo
fi

echo "setup: installing$packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
$root env DEBIAN_FRONTEND=noninteractive sh -eus -- $packages >"$log" 2>&1 <<'INSTALL' || { cat "$log" >&2; fail "apt-get could not install$packages (its output is above)"; }
# Debian starts and enables what it installs, and makes a cluster of its own: not here.
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d

undo() {
	[ -z "${made_policy-}" ] || rm -f "$policy"
	rm -f "$clusters/ropeline.conf"
}

install() {
	trap undo EXIT
	trap 'exit 1' INT TERM HUP
	if [ ! -e "$policy" ]; then
		made_policy=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	mkdir -p "$clusters"
	echo 'create_main_cluster = false' >"$clusters/ropeline.conf"

	apt-get -o DPkg::Lock::Timeout=300 update
	apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
	command -v systemctl >/dev/null || return 0
	for package; do
		case $package in
		postgresql | redis-server) systemctl disable "$package" || true ;;
		esac
	done
}

install "$@" </dev/null
INSTALL

install_axe
