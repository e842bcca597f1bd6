/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor table and the counting of descriptions, with a family of simulated processes (rows
 * of counts that the test switches between) and the rest of the shim as recorders.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shim/fd/epoll.h"
#include "shim/fd/pass.h"
#include "shim/fd/fdtab.h"
#include "shim/fd/sock_int.h"
#include "shim/proc/log.h"

#define PROCS 3

/* ---- the rest of the shim ------------------------------------------------------------------- */

struct family *family;
struct proc *family_self;
enum log_level log_level;
struct knobs knobs;
__thread struct thread thread_self;

static struct stackrec *rec;
static struct sock sk;
static int locked, released, forgotten, sets_freed, joins_fail;
static struct ofd *last_released;

int family_join(void)
{
	return joins_fail ? -ENOMEM : 0;
}

bool lock_acquire(struct shim_lock *l)
{
	return false;
}

void lock_release(struct shim_lock *l)
{
}

void run_enter(struct stackrec *sr)
{
	ck_assert_int_eq(locked++, 0);
}

void run_enter_all(void)
{
}

void run_leave_all(unsigned flags)
{
	(void)flags;
}

void run_leave(struct stackrec *sr, unsigned flags)
{
	ck_assert_int_eq(--locked, 0);
}

void pass_forget(struct ofd *o)
{
}

void epoll_forget(struct ofd *o)
{
	ck_assert_int_eq(locked, 1);
	forgotten++;
}

void epoll_set_free(struct ofd *o)
{
	sets_freed++;
}

void sock_release(struct ofd *o)
{
	ck_assert_int_eq(locked, 1);
	released++;
	last_released = o;
	atomic_store(&o->sk, NULL);
}

void *arena_carve(struct arena *a, size_t size, size_t align)
{
	return calloc(1, size);
}

void log_printf(enum log_level level, const char *fmt, ...)
{
}

void stack_panic(const char *file, int line, const char *what)
{
	ck_abort_msg("%s:%d: %s", file, line, what);
}

static void become(int i)
{
	family_self = &family->procs[i];
}

static void setup(void)
{
	family = calloc(1, sizeof(*family));
	family->ofds = calloc(FAMILY_OFDS, sizeof(struct ofd));
	for (int i = 0; i < PROCS; i++)
		family->procs[i].ofd_refs = calloc(FAMILY_OFDS, sizeof(uint16_t));
	rec = &family->stacks[0];
	released = forgotten = sets_freed = joins_fail = 0;
	become(0);
}

static void teardown(void)
{
	int end = fdtab_end();

	for (int fd = 0; fd < end; fd++)
		fdtab_clear(fd);
	for (int i = 0; i < PROCS; i++) {
		free(family->procs[i].ofd_refs);
		free(family->procs[i].ofd_holds);
	}
	free(family->ofds);
	free(family);
}

static struct ofd *accelerated(void)
{
	struct ofd *o = ofd_new(OFD_SOCK);

	o->sr = rec;
	atomic_store(&o->sk, &sk);
	return o;
}

/* Every row empty, every description free. */
static void all_back_at_zero(void)
{
	uint32_t used = family->ofds_used, nfree = 0;

	for (uint32_t i = 0; i < used; i++) {
		ck_assert_uint_eq(family->ofds[i].refs, 0);
		ck_assert_int_eq(family->ofds[i].kind, OFD_FREE);
		for (int p = 0; p < PROCS; p++)
			ck_assert_uint_eq(family->procs[p].ofd_refs[i], 0);
	}
	for (uint32_t i = family->ofd_free; i; i = family->ofds[i - 1].next_free)
		nfree++;
	ck_assert_uint_eq(nfree, used);
}

/* ---- the table ------------------------------------------------------------------------------ */

START_TEST(empty_table_knows_nothing)
{
	ck_assert_ptr_null(fdtab_get(0));
	ck_assert_ptr_null(fdtab_get(-1));
	ck_assert_ptr_null(fdtab_get(FDTAB_FDS));
	ck_assert_ptr_null(fdtab_clear(5));
}
END_TEST

START_TEST(set_get_clear)
{
	struct ofd *o = accelerated();

	ck_assert_int_eq(fdtab_set(7, o), 0);
	ck_assert_ptr_eq(fdtab_get(7), o);
	ck_assert_ptr_eq(fdtab_stack(7), o);
	ck_assert_int_ge(fdtab_end(), 8);
	ck_assert_ptr_eq(fdtab_clear(7), o);
	ck_assert_ptr_null(fdtab_get(7));
	ck_assert_ptr_null(fdtab_clear(7));
	ofd_unref(o);
	all_back_at_zero();
}
END_TEST

START_TEST(numbers_beyond_the_table_are_refused)
{
	struct ofd *o = accelerated();

	ck_assert_int_eq(fdtab_set(FDTAB_FDS, o), -EMFILE);
	ck_assert_int_eq(fdtab_set(-1, o), -EMFILE);
	ck_assert_int_eq(fdtab_set(FDTAB_FDS - 1, o), 0);
	ck_assert_ptr_eq(fdtab_clear(FDTAB_FDS - 1), o);
	ofd_unref(o);
}
END_TEST

START_TEST(only_the_application_sees_sockets)
{
	struct ofd *o = accelerated(), *kernel = ofd_new(OFD_SOCK);

	fdtab_set(3, o);
	fdtab_set(4, kernel);
	ck_assert_ptr_null(fdtab_stack(4));
	ck_assert_ptr_eq(fdtab_tracked(4), kernel);
	thread_self.internal = 1;
	ck_assert_ptr_null(fdtab_stack(3));
	ck_assert_ptr_null(fdtab_tracked(4));
	thread_self.internal = 0;
	thread_self.in_vfork = 1;
	ck_assert_ptr_null(fdtab_stack(3));
	thread_self.in_vfork = 0;
}
END_TEST

START_TEST(lock_notices_a_closed_descriptor)
{
	struct ofd *o = accelerated(), *other = accelerated();

	fdtab_set(3, o);
	ck_assert_int_eq(fdtab_lock(3, o), 0);
	ck_assert_int_eq(locked, 1);
	run_leave(rec, 0);
	fdtab_clear(3);
	ck_assert_int_eq(fdtab_lock(3, o), -EBADF);
	fdtab_set(3, other);
	ck_assert_int_eq(fdtab_lock(3, o), -EBADF);
	atomic_store(&other->sk, NULL);
	ck_assert_int_eq(fdtab_lock(3, other), -EBADF);
	ck_assert_int_eq(locked, 0);
}
END_TEST

/* ---- counting ------------------------------------------------------------------------------- */

START_TEST(last_of_many_dups_ends_it)
{
	struct ofd *o = accelerated();

	for (int i = 0; i < 40000; i++)
		ofd_ref(o);
	ck_assert_uint_eq(ofd_refs_here(o), 40001);
	for (int i = 0; i < 40000; i++)
		ofd_unref(o);
	ck_assert_int_eq(released, 0);
	ofd_unref(o);
	ck_assert_int_eq(released, 1);
	ck_assert_int_eq(forgotten, 1);
	all_back_at_zero();
}
END_TEST

START_TEST(kernel_socket_ends_without_a_stack)
{
	struct ofd *o = ofd_new(OFD_SOCK);

	ofd_unref(o);
	ck_assert_int_eq(released, 0);
	all_back_at_zero();
}
END_TEST

START_TEST(epoll_set_ends_as_one)
{
	ofd_unref(ofd_new(OFD_EPOLL));
	ck_assert_int_eq(sets_freed, 1);
	all_back_at_zero();
}
END_TEST

/* As family_fork_prepare() counts a child. */
static void fork_into(int child)
{
	for (uint32_t i = 0; i < family->ofds_used; i++) {
		uint16_t n = family_self->ofd_refs[i];

		family->procs[child].ofd_refs[i] = n;
		atomic_fetch_add(&family->ofds[i].refs, n);
	}
}

START_TEST(fork_keeps_it_open_on_both_sides)
{
	struct ofd *o = accelerated();

	ofd_ref(o);
	fork_into(1);
	ofd_unref(o);
	ofd_unref(o);
	ck_assert_int_eq(released, 0);
	become(1);
	ck_assert_uint_eq(ofd_refs_here(o), 2);
	ofd_unref(o);
	ck_assert_int_eq(released, 0);
	ofd_unref(o);
	ck_assert_int_eq(released, 1);
	all_back_at_zero();
}
END_TEST

START_TEST(dead_process_gives_up_its_references)
{
	struct ofd *o = accelerated(), *p = accelerated();

	ofd_ref(o);
	fork_into(1);
	fork_into(2);
	ofd_unref(p); /* here */
	for (int dead = 1; dead < PROCS; dead++) {
		for (uint32_t i = 0; i < family->ofds_used; i++) {
			uint16_t *row = family->procs[dead].ofd_refs;

			ofd_unref_dead(&family->ofds[i], row[i], row);
			ck_assert_uint_eq(row[i], 0);
		}
	}
	ck_assert_int_eq(released, 1);
	ck_assert_ptr_eq(last_released, p);
	ofd_unref(o);
	ofd_unref(o);
	ck_assert_int_eq(released, 2);
	all_back_at_zero();
}
END_TEST

START_TEST(what_a_dead_process_was_to_end_is_ended_once)
{
	struct ofd *o = accelerated(), *other = accelerated();

	/* Killed inside the lock, having taken the last reference: nobody's any more. */
	family->procs[0].ofd_refs[o->idx] = 0;
	atomic_store(&o->refs, 0);
	o->ender = 1;
	become(1);
	ofd_end_for(&family->procs[0]);
	ck_assert_int_eq(released, 1);
	ck_assert_ptr_eq(last_released, o);
	ck_assert_int_eq(o->kind, OFD_FREE);
	ofd_end_for(&family->procs[0]);
	ck_assert_int_eq(released, 1);
	ck_assert_int_eq(other->kind, OFD_SOCK);
}
END_TEST

START_TEST(hold_outlives_the_close)
{
	struct ofd *o = accelerated();

	ofd_hold(o);
	ofd_unref(o);
	ck_assert_int_eq(released, 0);
	fork_into(1); /* the hold is not the child's */
	ck_assert_uint_eq(family->procs[1].ofd_refs[o->idx], 0);
	ck_assert_uint_eq(family_self->ofd_holds[o->idx], 1);
	ofd_drop(o);
	ck_assert_int_eq(released, 1);
	all_back_at_zero();
}
END_TEST

START_TEST(freed_description_is_used_again_clean)
{
	struct ofd *o = accelerated(), *again;
	uint32_t idx = o->idx;

	o->opts_set = 5;
	o->claimed = 1;
	ofd_unref(o);
	again = ofd_new(OFD_SOCK);
	ck_assert_ptr_eq(again, o);
	ck_assert_uint_eq(again->idx, idx);
	ck_assert_uint_eq(again->opts_set, 0);
	ck_assert_int_eq(again->claimed, 0);
	ck_assert_ptr_null(again->sr);
	ck_assert(list_empty(&again->watches) && list_empty(&again->peers));
	ofd_unref(again);
	all_back_at_zero();
}
END_TEST

START_TEST(free_list_is_made_anew)
{
	struct ofd *o[10];

	for (int i = 0; i < 10; i++)
		o[i] = accelerated();
	for (int i = 0; i < 10; i += 2)
		ofd_unref(o[i]);
	family->ofd_free = 12345; /* as a death in the middle may leave it */
	ofd_free_rebuild();
	for (int i = 0; i < 5; i++)
		ck_assert_uint_lt(accelerated()->idx, 10);
	ck_assert_uint_eq(accelerated()->idx, 10);
}
END_TEST

START_TEST(used_up_gives_null)
{
	family->ofds_used = FAMILY_OFDS;
	ck_assert_ptr_null(ofd_new(OFD_SOCK));
	joins_fail = 1;
	family->ofds_used = 0;
	ck_assert_ptr_null(ofd_new(OFD_SOCK));
}
END_TEST

START_TEST(readiness_joins_both_doors)
{
	struct ofd *o = accelerated();

	atomic_store(&sk.ready, RDY_OUT);
	atomic_store(&o->door_ready, RDY_IN);
	ck_assert_uint_eq(ofd_ready(o), RDY_OUT);
	o->two_doors = 1;
	ck_assert_uint_eq(ofd_ready(o), RDY_OUT | RDY_IN);
	ck_assert(door_clear(o));
	ck_assert(!door_clear(o));
	ck_assert_uint_eq(ofd_ready(o), RDY_OUT);
	door_found(o);
	ck_assert_uint_eq(ofd_ready(o), RDY_OUT | RDY_IN);
}
END_TEST

START_TEST(every_verdict_has_a_word_and_a_sentence)
{
	for (int i = 0; i < VERDICT_COUNT; i++) {
		ck_assert_ptr_nonnull(verdict_info[i].name);
		ck_assert_uint_gt(strlen(verdict_info[i].text), 10);
		ck_assert_int_eq(verdict_info[i].accelerated, i == VERDICT_stack);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fd");
	TCase *t = tcase_create("table"), *c = tcase_create("descriptions");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(t, empty_table_knows_nothing);
	tcase_add_test(t, set_get_clear);
	tcase_add_test(t, numbers_beyond_the_table_are_refused);
	tcase_add_test(t, only_the_application_sees_sockets);
	tcase_add_test(t, lock_notices_a_closed_descriptor);
	tcase_add_test(c, last_of_many_dups_ends_it);
	tcase_add_test(c, kernel_socket_ends_without_a_stack);
	tcase_add_test(c, epoll_set_ends_as_one);
	tcase_add_test(c, fork_keeps_it_open_on_both_sides);
	tcase_add_test(c, dead_process_gives_up_its_references);
	tcase_add_test(c, what_a_dead_process_was_to_end_is_ended_once);
	tcase_add_test(c, hold_outlives_the_close);
	tcase_add_test(c, freed_description_is_used_again_clean);
	tcase_add_test(c, free_list_is_made_anew);
	tcase_add_test(c, used_up_gives_null);
	tcase_add_test(c, readiness_joins_both_doors);
	tcase_add_test(c, every_verdict_has_a_word_and_a_sentence);
	suite_add_tcase(s, t);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
