# npm.sh: for tests that use packages of npm; to be read by a shell with `.`.

# npm_packages NAME FOLDER WORK: installs what FOLDER/package-lock.json has in WORK, once for each
# version of it. Where that cannot be, the test NAME ends here and counts as skipped.
npm_packages() {
	for tool in node npm; do
		if ! command -v $tool >/dev/null; then
			echo "$1: skipped, $tool is not installed"
			exit 77
		fi
	done
	mkdir -p "$3"
	cmp -s "$2/package-lock.json" "$3/installed-lock.json" && return
	cp "$2/package.json" "$2/package-lock.json" "$3"
	if ! (cd "$3" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1) \
		>"$3/npm.log" 2>&1; then
		cat "$3/npm.log"
		echo "$1: skipped, npm cannot fetch its packages"
		exit 77
	fi
	cp "$3/package-lock.json" "$3/installed-lock.json"
}
