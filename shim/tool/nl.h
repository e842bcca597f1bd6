/* SPDX-License-Identifier: BSD-2-Clause */
/* As much netlink as shimrun --check needs: one question, one answer. */
#ifndef SHIM_TOOL_NL_H
#define SHIM_TOOL_NL_H

#include <stdint.h>
#include <linux/netlink.h>

struct nl_msg {
	union {
		struct nlmsghdr h;
		char buf[1024];
	};
};

void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *head, uint16_t head_len);
void nl_put(struct nl_msg *m, uint16_t type, const void *data, uint16_t len);
/* A nested attribute: everything put until nl_nest_end() is inside. head may be NULL. */
struct nlattr *nl_nest(struct nl_msg *m, uint16_t type, const void *head, uint16_t head_len);
void nl_nest_end(struct nl_msg *m, struct nlattr *nest);

/* The attribute of that type among len bytes of attributes at a, or NULL. */
const struct nlattr *nl_find(const void *a, int len, uint16_t type);
static inline const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

/*
 * Sends m over a socket of that protocol and takes the first message of the answer, header and all,
 * into reply (aligned as a struct nlmsghdr). Returns the bytes behind its header (0 for a plain
 * acknowledgement), or -Exxx, the kernel's among them. Bounded: 1 s.
 */
int nl_ask(int protocol, struct nl_msg *m, char *reply, unsigned reply_bytes);

#endif
