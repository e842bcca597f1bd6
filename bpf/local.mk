# SPDX-License-Identifier: BSD-2-Clause
# The steering program, as a light skeleton: its loader needs neither libbpf nor libelf at run time,
# so that every preloaded process is spared them. A release carries the skeleton; with clang and
# bpftool here it is made anew in the build tree, which comes first on the include path.
EXTRA_DIST += bpf/steer.h bpf/steer.bpf.c bpf/steer.skel.h
BPF_CFLAGS = -target bpf -O2 -g -Wall -I$(top_srcdir)/bpf -idirafter /usr/include/$(host_cpu)-linux-gnu

if BUILD_BPF
BUILT_SOURCES += bpf/steer.skel.h
CLEANFILES += bpf/steer.bpf.o
MAINTAINERCLEANFILES = bpf/steer.skel.h

# One step, from sources alone: the skeleton of a release is then newer than all it is made from, and
# is not made again.
bpf/steer.skel.h: bpf/steer.bpf.c bpf/steer.h
	$(AM_V_GEN)$(MKDIR_P) bpf && \
	$(CLANG) $(BPF_CFLAGS) -c -o bpf/steer.bpf.o $(top_srcdir)/bpf/steer.bpf.c && \
	$(BPFTOOL) gen skeleton -L bpf/steer.bpf.o name steer_bpf >$@.tmp && mv $@.tmp $@
endif
