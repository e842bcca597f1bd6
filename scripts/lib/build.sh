# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
# Builds the tree in build/ (or $BUILD). To be sourced: build_tree [configure arguments ...]

build_jobs=$(nproc)
BUILD=${BUILD:-$TOP/build}

build_tree() {
	build_log=$BUILD/build.log
	mkdir -p "$BUILD"
	{
		[ -x "$TOP/configure" ] && [ "$TOP/configure" -nt "$TOP/configure.ac" ] ||
			(cd "$TOP" && autoreconf -fi)
	} >"$build_log" 2>&1 &&
		{
			[ -f "$BUILD/Makefile" ] && [ "$BUILD/config.status" -nt "$TOP/configure" ] ||
				(cd "$BUILD" && "$TOP/configure" -q "$@")
		} >>"$build_log" 2>&1 &&
		make -C "$BUILD" -j"$build_jobs" >>"$build_log" 2>&1 && return 0
	tail -40 "$build_log" >&2
	echo "build failed; all of it is in $build_log" >&2
	return 1
}
