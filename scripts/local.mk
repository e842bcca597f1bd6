# SPDX-License-Identifier: BSD-2-Clause
EXTRA_DIST += \
	scripts/bench \
	scripts/demo \
	scripts/deps \
	scripts/fuzz \
	scripts/gen \
	scripts/lib/bench.py \
	scripts/lib/build.sh \
	scripts/lib/chart.py \
	scripts/lib/demo.py \
	scripts/lib/net.sh \
	scripts/lib/rig.py \
	scripts/suites \
	scripts/test \
	scripts/tidy \
	scripts/tidy.limits
