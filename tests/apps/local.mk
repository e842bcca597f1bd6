# SPDX-License-Identifier: BSD-2-Clause
# Whole programs, run by scripts/test (root).
check_PROGRAMS += tests/apps/many

EXTRA_DIST += \
	tests/apps/clients.sh \
	tests/apps/echod.py \
	tests/apps/fallback.sh \
	tests/apps/inherit.sh \
	tests/apps/jvm.sh \
	tests/apps/JvmEcho.java \
	tests/apps/lib.sh \
	tests/apps/listen.sh \
	tests/apps/many.sh \
	tests/apps/nginx.sh \
	tests/apps/programs.js \
	tests/apps/programs.py \
	tests/apps/programs.sh \
	tests/apps/redis.sh \
	tests/apps/redis_many.sh \
	tests/apps/ssh.sh \
	tests/apps/suites.sh \
	tests/apps/udp.sh \
	tests/apps/udp_trains.py \
	tests/apps/activate.sh \
	tests/apps/upgrade.sh \
	tests/apps/v6.sh \
	tests/apps/quic.sh tests/apps/dns.sh tests/apps/iperf.sh tests/apps/bystanders.sh
