/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation: over exec.
 *
 * A new image under the shim is a member of the family: the arena's descriptor and those of the
 * devices stay open over the exec, and so does a memfd that says what is what (handover.h). The
 * image finds that when it starts, takes the place in the family that it names, and enters the
 * descriptors that are still open: connections, listeners and epoll sets go on as they were. Its
 * row is then made to say what its table says, so that what was close-on-exec is closed, at last.
 *
 * A process that becomes another keeps its place, and its lock that says it lives, since the
 * arena's descriptor stays open. A child that is to become another (vfork, posix_spawn) is given a
 * place before it begins, with its references counted, as a forked one is; what never arrives is
 * reaped. A vfork child runs on its parent's memory: what it does to its descriptors is kept beside
 * the table (vfork_fds), and nothing of the parent's is changed but the arena.
 *
 * A new image without the shim can be left kernel sockets only. Listeners and UDP sockets that it
 * inherits are served by the kernel from then on, for the whole family, since nobody can know who
 * of them is going to accept: exec_to_kernel(). Connections of the stack end with their last holder
 * in the family: a process that becomes such an image lets go of all it has first, as at its end,
 * and what it still has as descriptors are unconnected kernel sockets (ENOTCONN).
 */
#include "exec.h"

#include <sys/mman.h>
#include <sys/un.h>

#include "shim/proc/log.h"
#include "sock_int.h"

/* What a vfork child moves about, or closes, before it becomes another: as many as most processes
 * may have. Beyond, its image takes them for what they were. */
#define VFORK_FDS 65536
#define CHANNEL_FDS 64 /* socket pairs are looked for among the first of these */

struct vfork_fd {
	int fd;
	struct ofd *o; /* NULL: none of ours any more */
};

/* Mapped by the child when there is something to keep, in its parent's memory, too. */
static __thread struct vfork_fd *vfork_fds __attribute__((tls_model("initial-exec")));
static __thread uint32_t nvfork_fds __attribute__((tls_model("initial-exec")));
/* Likewise what it hands over. */
static __thread struct handover *vfork_handover __attribute__((tls_model("initial-exec")));
static __thread uint32_t vfork_room __attribute__((tls_model("initial-exec")));

/* ---- a vfork child's descriptors ------------------------------------------------------------ */

void exec_vfork_end(void)
{
	if (vfork_fds)
		sys_munmap(vfork_fds, VFORK_FDS * sizeof(*vfork_fds));
	vfork_fds = NULL;
	nvfork_fds = 0;
	handover_free(vfork_handover, vfork_room);
	vfork_handover = NULL;
}

static void vfork_set(int fd, struct ofd *o)
{
	void *mem;
	uint32_t i;

	if (!vfork_fds) {
		mem = sys_mmap(NULL, VFORK_FDS * sizeof(*vfork_fds), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (sys_is_err(mem))
			return;
		vfork_fds = mem;
	}
	for (i = 0; i < nvfork_fds && vfork_fds[i].fd != fd; i++)
		;
	if (i == VFORK_FDS)
		return;
	vfork_fds[i] = (struct vfork_fd){fd, o};
	if (i == nvfork_fds)
		nvfork_fds++;
}

struct ofd *exec_fd_get(int fd)
{
	for (uint32_t i = 0; thread_self.in_vfork && i < nvfork_fds; i++)
		if (vfork_fds[i].fd == fd)
			return vfork_fds[i].o;
	return fdtab_get(fd);
}

void exec_vfork_dup(int old, int new_fd)
{
	struct ofd *o = exec_fd_get(old);

	if (new_fd >= 0 && old != new_fd && (o || exec_fd_get(new_fd)))
		vfork_set(new_fd, o);
}

void exec_vfork_close(int fd)
{
	if (exec_fd_get(fd))
		vfork_set(fd, NULL);
}

/* ---- before --------------------------------------------------------------------------------- */

bool exec_concerns_us(void)
{
	return family && family_self && !thread_self.internal;
}

/* What the image that this process becomes will have as fd, or NULL: nothing of ours. */
static struct ofd *inherited(int fd)
{
	struct ofd *o = exec_fd_get(fd);
	int fl = o ? sys_fcntl(fd, F_GETFD, 0) : -1;

	return fl >= 0 && !(fl & FD_CLOEXEC) ? o : NULL;
}

/* The numbers that inherited() is to be asked about. */
static int inherited_end(void)
{
	int end = fdtab_end();

	for (uint32_t i = 0; thread_self.in_vfork && i < nvfork_fds; i++)
		if (vfork_fds[i].fd >= end)
			end = vfork_fds[i].fd + 1;
	return end;
}

static void handover_add(struct exec *x, int fd, const struct ofd *o)
{
	if (x->h->nfds < x->room)
		x->h->fds[x->h->nfds++] = (struct handover_fd){fd, o->idx};
}

static void handover_dev(void *arg, unsigned stack, unsigned slot, int fd)
{
	struct handover *h = arg;

	if (h->ndevs < HANDOVER_DEVS)
		h->devs[h->ndevs++] = (struct handover_dev){fd, (uint16_t)stack, (uint16_t)slot};
}

void exec_each_fd(const struct exec *x, void (*each)(void *arg, int fd), void *arg)
{
	if (!x->h)
		return;
	each(arg, family_arena_fd());
	each(arg, fd_hidden_at(x->memfd));
	for (uint32_t i = 0; i < x->h->ndevs; i++)
		each(arg, x->h->devs[i].fd);
}

static void fd_flags(void *arg, int fd)
{
	sys_fcntl(fd, F_SETFD, *(const unsigned long *)arg);
}

/* Open over exec or not, all that the new image is to find. */
static void handover_open(struct exec *x, bool open)
{
	unsigned long flags = open ? 0 : FD_CLOEXEC;

	if (x->open != open)
		exec_each_fd(x, fd_flags, &flags);
	x->open = open;
}

void exec_let_over(struct exec *x)
{
	handover_open(x, true);
}

/* A place for the child, its references counted. */
static bool slot_make(struct exec *x)
{
	struct proc *p = family_slot_take(PROC_FORKING);

	if (!p)
		return false;
	for (uint32_t i = 0; i < x->h->nfds; i++) {
		uint32_t idx = x->h->fds[i].ofd;

		if (ofd_refs_add(&family->ofds[idx], 1))
			p->ofd_refs[idx]++;
	}
	if (x->way == EXEC_VFORK)
		family_slot_claim(p);
	x->slot = p;
	return true;
}

static void slot_drop(struct exec *x)
{
	struct proc *p = x->slot;

	if (!p)
		return;
	p->reaper = (uint32_t)(family_self - family->procs);
	p->state = PROC_LEAVING;
	family_slot_drop(p);
	x->slot = NULL;
}

static void handover_end(struct exec *x)
{
	if (x->memfd >= 0 && x->way == EXEC_VFORK)
		sys_close(x->memfd);
	else if (x->memfd >= 0)
		fd_unhide_close(x->memfd);
	x->memfd = -1;
	handover_free(x->h, x->room);
	x->h = vfork_handover = NULL;
}

static bool handover_begin(struct exec *x, const struct exec_fd *fds, uint32_t nfds)
{
	int end = inherited_end();
	const struct proc *p;

	x->room = x->way == EXEC_SPAWN ? nfds : (uint32_t)end;
	x->h = handover_new(x->room);
	if (!x->h)
		return false;
	if (x->way == EXEC_VFORK) {
		vfork_handover = x->h;
		vfork_room = x->room;
	}
	for (uint32_t i = 0; x->way == EXEC_SPAWN && i < nfds; i++)
		handover_add(x, fds[i].fd, fds[i].o);
	for (int fd = 0; x->way != EXEC_SPAWN && fd < end; fd++) {
		const struct ofd *o = inherited(fd);

		if (o)
			handover_add(x, fd, o);
	}
	/* The helper may be taking over what the image before had left. */
	for (uint32_t i = 0; i < family->nstacks; i++) {
		run_enter(&family->stacks[i]);
		dev_each_fd(&family->stacks[i], handover_dev, x->h);
		run_leave(&family->stacks[i], RUN_LATER);
	}
	if (x->way != EXEC_SELF && !slot_make(x))
		goto fail;
	p = x->slot ? x->slot : family_self;
	x->h->layout = family_layout();
	x->h->arena_fd = family_arena_fd();
	x->h->self = x->way == EXEC_SELF;
	x->h->slot = (uint32_t)(p - family->procs);
	x->h->since_ns = p->since_ns;
	x->memfd = handover_write(x->h, x->way != EXEC_VFORK);
	if (x->memfd < 0)
		goto fail;
	if (x->way != EXEC_SPAWN)
		handover_open(x, true);
	return true;
fail:
	slot_drop(x);
	handover_end(x);
	return false;
}

/* ---- without the shim ----------------------------------------------------------------------- */

/* The kernel's own flag of a shadow that we made non-blocking for ourselves. */
static void shadow_as_asked(int fd, const struct ofd *o)
{
	int fl = sys_fcntl(fd, F_GETFL, 0);

	if (fl >= 0 && o->two_doors && !atomic_load(&o->nonblock))
		sys_fcntl(fd, F_SETFL, (unsigned long)(fl & ~O_NONBLOCK));
}

static void listener_to_kernel(struct ofd *o)
{
	struct sock *sk = atomic_load(&o->sk);
	struct list *pos;

	/* They share one claim, held in the name of one of them or all. */
	if (o->claimed)
		listener_leave(o, sk);
	o->kernel_only = 1;
	o->port_holder = 0; /* its shadow is another's, too, who must not lose it with us */
	list_for_each(pos, &o->peers) {
		struct ofd *peer = list_entry(pos, struct ofd, peers);

		peer->claimed = 0;
		peer->kernel_only = 1;
	}
}

void exec_to_kernel(int fd, struct ofd *o)
{
	struct stackrec *sr = o->sr;
	struct sock *sk;
	bool left = false;

	if (o->kind != OFD_SOCK || !sr)
		return;
	sock_enter(o);
	sk = atomic_load(&o->sk);
	if (sk && sk->type == STK_LISTENER && !o->kernel_only) {
		listener_to_kernel(o);
		left = true;
	} else if (sk && sk->type == STK_UDP && !o->udp.left) {
		udp_unclaim(o);
		left = true;
	}
	sock_leave(o, RUN_KICK);
	if (sk && sk->type != STK_TCP)
		shadow_as_asked(fd, o);
	if (left)
		ofd_set_verdict(o, fd, VERDICT_foreign);
}

static void plain_begin(struct exec *x, const struct exec_fd *fds, uint32_t nfds)
{
	int end = inherited_end();

	for (uint32_t i = 0; i < nfds; i++)
		exec_to_kernel(fds[i].fd, fds[i].o);
	for (int fd = 0; x->way != EXEC_SPAWN && fd < end; fd++) {
		struct ofd *o = inherited(fd);

		if (o)
			exec_to_kernel(fd, o);
	}
	if (x->way == EXEC_SELF) {
		fd_exit();
		x->gated = true;
	}
}

/* ---- the edge ------------------------------------------------------------------------------- */

/* A socket pair that goes over, as far as can be told: sockets of ours may be sent over it later,
 * as node's cluster does with its workers. */
static bool is_channel(int fd, enum exec_way way)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int fl = sys_fcntl(fd, F_GETFD, 0);

	if (fl < 0 || (way != EXEC_SPAWN && fl & FD_CLOEXEC))
		return false;
	return sys_getpeername(fd, (struct sockaddr *)&sun, &len) == 0 &&
	       sun.sun_family == AF_UNIX && len == sizeof(sa_family_t);
}

/* Is there anything that the image could want: a stack to share, a descriptor, or a way by which
 * one may come? */
static bool anything_to_hand(const struct exec *x, uint32_t nfds)
{
	int end = inherited_end();

	for (uint32_t i = 0; i < family->nstacks; i++)
		if (family->stacks[i].st)
			return true;
	for (int fd = 0; x->way != EXEC_SPAWN && fd < end; fd++)
		if (inherited(fd))
			return true;
	for (int fd = 0; fd < CHANNEL_FDS; fd++)
		if (is_channel(fd, x->way))
			return true;
	return x->way == EXEC_SPAWN && nfds;
}

void exec_begin(struct exec *x, enum exec_way way, enum image image, const struct exec_fd *fds,
		uint32_t nfds)
{
	*x = (struct exec){.way = way, .image = image, .memfd = -1};
	if (way != EXEC_SPAWN)
		nfds = 0;
	if (!anything_to_hand(x, nfds)) {
		x->image = IMAGE_NONE;
	} else if (image == IMAGE_SHIMMED && handover_begin(x, fds, nfds)) {
		if (way == EXEC_SELF) {
			run_exec();
			x->gated = true;
		}
	} else if (image != IMAGE_NONE) {
		plain_begin(x, fds, nfds);
	}
}

void exec_end(struct exec *x, bool ok)
{
	bool handed = x->h != NULL;

	if (handed) {
		handover_open(x, false);
		handover_end(x);
	}
	if (!ok)
		slot_drop(x);
	if (x->gated)
		run_exec_failed();
	if (x->way == EXEC_SELF && !handed && x->image == IMAGE_PLAIN)
		log_warn("exec failed after all: this process goes on with kernel sockets");
}

/* ---- after ---------------------------------------------------------------------------------- */

static void table_enter(const struct handover_fd *e)
{
	struct ofd *o;

	if (e->ofd >= family->ofds_used || sys_fcntl(e->fd, F_GETFD, 0) < 0)
		return;
	o = &family->ofds[e->ofd];
	if (o->kind == OFD_FREE || !ofd_refs_here(o))
		return;
	fdtab_set(e->fd, o);
	if (o->two_doors)
		door_attach();
}

static void attach_failed(const struct handover *h, int err)
{
	log_warn("inherited sockets are the kernel's: the family can't be joined (error %d)", -err);
	for (uint32_t i = 0; i < h->ndevs; i++)
		sys_close(h->devs[i].fd);
	sys_close(h->arena_fd);
}

void exec_attach(void)
{
	uint32_t room;
	struct handover *h = handover_read(&room);
	int ret;

	if (!h)
		return;
	ret = h->layout != family_layout()
		      ? -ENOEXEC
		      : family_attach(h->arena_fd, h->slot, h->since_ns, h->self);
	if (ret < 0) {
		attach_failed(h, ret);
		goto out;
	}
	for (uint32_t i = 0; i < h->ndevs; i++)
		dev_offer_fd(h->devs[i].stack, h->devs[i].slot, h->devs[i].fd);
	for (uint32_t i = 0; i < h->nfds; i++)
		table_enter(&h->fds[i]);
	family_row_check();
	for (uint32_t i = 0; fdtab_end() && i < family->nstacks; i++)
		helper_ensure(&family->stacks[i]);
	log_info("joined the family of the image before: %u descriptors inherited", h->nfds);
out:
	handover_free(h, room);
}
