/* SPDX-License-Identifier: BSD-2-Clause */
/* As much netlink as shimrun --check needs: RFC 3549, one question, one answer. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "shim/tool/nl.h"

static void nl_append(struct nl_msg *m, const void *data, uint16_t len)
{
	uint32_t at = NLMSG_ALIGN(m->h.nlmsg_len);

	if (at + NLMSG_ALIGN(len) > sizeof(m->buf))
		return; /* questions are small, and ours */
	memset(m->buf + at, 0, NLMSG_ALIGN(len));
	if (data)
		memcpy(m->buf + at, data, len);
	m->h.nlmsg_len = at + len;
}

void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *head, uint16_t head_len)
{
	memset(m, 0, sizeof(*m));
	m->h.nlmsg_len = NLMSG_HDRLEN;
	m->h.nlmsg_type = type;
	m->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nl_append(m, head, head_len);
}

void nl_put(struct nl_msg *m, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr a = {(uint16_t)(NLA_HDRLEN + len), type};

	nl_append(m, &a, sizeof(a));
	nl_append(m, data, len);
}

struct nlattr *nl_nest(struct nl_msg *m, uint16_t type, const void *head, uint16_t head_len)
{
	uint32_t at = NLMSG_ALIGN(m->h.nlmsg_len);
	struct nlattr a = {NLA_HDRLEN, type};

	nl_append(m, &a, sizeof(a));
	if (head)
		nl_append(m, head, head_len);
	return (struct nlattr *)(m->buf + at);
}

void nl_nest_end(struct nl_msg *m, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)(m->buf + m->h.nlmsg_len - (char *)nest);
}

const struct nlattr *nl_find(const void *attrs, int len, uint16_t type)
{
	const char *p = attrs;

	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		p += NLA_ALIGN(a->nla_len);
		len -= NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

int nl_ask(int protocol, struct nl_msg *m, char *reply, unsigned reply_bytes)
{
	struct nlmsghdr *h = (void *)reply;
	struct timeval one_s = {1, 0};
	ssize_t n;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &one_s, sizeof(one_s));
	if (send(fd, m, m->h.nlmsg_len, 0) < 0 || (n = recv(fd, reply, reply_bytes, 0)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	close(fd);
	if (!NLMSG_OK(h, (unsigned)n))
		return -EBADMSG;
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
	return (int)(h->nlmsg_len - NLMSG_HDRLEN);
}
