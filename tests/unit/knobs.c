/* SPDX-License-Identifier: BSD-2-Clause */
/* SHIM_* variables: defaults, ranges, wrong names, and that each mistake is told exactly once. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/proc/knobs.h"
#include "shim/proc/log.h"

static struct knobs k;
static char said[4096];

/* Loads env and gathers in said what it complained about. */
static void load(char *const env[])
{
	char path[] = "/tmp/knobs-test-XXXXXX";
	int fd = mkstemp(path), err = dup(2);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	dup2(fd, 2);
	knobs_load(&k, env);
	dup2(err, 2);
	close(err);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(fd);
	unlink(path);
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *p = said; *p; p++)
		n += *p == '\n';
	return n;
}

START_TEST(every_default_is_in_range)
{
	char why[160];

	for (int i = 0; i < KNOB_COUNT; i++)
		ck_assert_msg(knob_set(&k, i, knob_info[i].def, why, sizeof(why)) == 0, "%s=%s %s",
			      knob_info[i].name, knob_info[i].def, why);
}
END_TEST

START_TEST(an_empty_environment_gives_the_defaults_without_a_word)
{
	load((char *[]){NULL});
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(k.iface.count, 1);
	ck_assert_str_eq(k.iface.item[0], "auto");
	ck_assert_int_eq(k.umem_mb, 64);
	ck_assert_int_eq(k.arena_gb, 16);
	ck_assert_int_eq(k.xdp, KNOB_xdp_auto);
	ck_assert(!k.loopback && !k.set[KNOB_ID_loopback]);
}
END_TEST

START_TEST(good_values_are_taken)
{
	load((char *[]){"PATH=/bin", "SHIM_IFACE=eth0,eth1", "SHIM_SPIN_US=0", "SHIM_LOOPBACK=1",
			"SHIM_XDP=generic", "SHIM__FD=9", "SHIMMER=x", "SHIM_NO_VALUE", NULL});
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(k.iface.count, 2);
	ck_assert_str_eq(k.iface.item[1], "eth1");
	ck_assert_int_eq(k.spin_us, 0);
	ck_assert(k.loopback && k.set[KNOB_ID_loopback] && !k.set[KNOB_ID_cc]);
	ck_assert_int_eq(k.xdp, KNOB_xdp_generic);
}
END_TEST

START_TEST(a_wrong_name_is_told_once_with_the_nearest)
{
	load((char *[]){"SHIM_IFCAE=eth0", NULL});
	ck_assert_uint_eq(lines(), 1);
	ck_assert_ptr_nonnull(strstr(said, "SHIM_IFCAE is not known; did you mean SHIM_IFACE?"));
	load((char *[]){"SHIM_spin_us=3", NULL});
	ck_assert_ptr_nonnull(strstr(said, "did you mean SHIM_SPIN_US?"));
	load((char *[]){"SHIM_ZZZZZZZZZ=3", NULL});
	ck_assert_uint_eq(lines(), 1);
	ck_assert_ptr_null(strstr(said, "did you mean"));
}
END_TEST

START_TEST(a_name_of_any_length_is_told)
{
	static char var[5000];

	memset(var, 'A', sizeof(var) - 1);
	memcpy(var, "SHIM_", 5);
	var[4000] = '=';
	load((char *[]){var, "SHIM_=1", NULL});
	ck_assert_uint_eq(lines(), 2);
}
END_TEST

START_TEST(a_wrong_value_is_told_with_the_range_and_the_default_stands)
{
	static const struct {
		const char *var, *clause;
	} bad[] = {
		{"SHIM_UMEM_MB=3", "must be 4 to 4096 MB; using 64"},
		{"SHIM_UMEM_MB=99999999999999999999", "must be 4 to 4096 MB"},
		{"SHIM_UMEM_MB=64k", "is not a number"},
		{"SHIM_UMEM_MB=", "is not a number"},
		{"SHIM_UMEM_MB=-", "is not a number"},
		{"SHIM_LOOPBACK=yes", "must be 0 or 1; using 0"},
		{"SHIM_XDP=fast", "must be auto, native, generic or zerocopy; using auto"},
		{"SHIM_IFACE=", "has an empty item; using auto"},
		{"SHIM_IFACE=eth0,,eth1", "has an empty item"},
		{"SHIM_IFACE=a_very_long_name_of_an_interface", "longer than 15 bytes"},
		{"SHIM_LOG=loud", "must be off, error, warn, info or debug"},
		{"SHIM_LOG=info:", "or level:path"},
	};
	struct knobs def;

	knobs_default(&def);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		load((char *[]){(char *)bad[i].var, NULL});
		ck_assert_msg(lines() == 1 && strstr(said, bad[i].clause), "%s: %s", bad[i].var,
			      said);
		ck_assert_msg(memcmp(&k, &def, sizeof(k)) == 0, "%s", bad[i].var);
	}
}
END_TEST

START_TEST(log_off_silences_complaints_wherever_it_stands)
{
	load((char *[]){"SHIM_CC=fast", "SHIM_LOG=off", NULL});
	ck_assert_str_eq(said, "");
	load((char *[]){NULL});
}
END_TEST

START_TEST(loading_leaves_errno_alone)
{
	errno = 4711;
	load((char *[]){"SHIM_CC=fast", "SHIM_LOG=warn:/nonexistent/x", NULL});
	knobs_load(&k, (char *[]){"SHIM_CC=fast", "SHIM_LOG=warn:/nonexistent/x", NULL});
	errno = 4711;
	knobs_load(&k, (char *[]){"SHIM_CC=fast", "SHIM_LOG=warn:/nonexistent/x", NULL});
	ck_assert_int_eq(errno, 4711);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("knobs");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, every_default_is_in_range);
	tcase_add_test(c, an_empty_environment_gives_the_defaults_without_a_word);
	tcase_add_test(c, good_values_are_taken);
	tcase_add_test(c, a_wrong_name_is_told_once_with_the_nearest);
	tcase_add_test(c, a_name_of_any_length_is_told);
	tcase_add_test(c, a_wrong_value_is_told_with_the_range_and_the_default_stands);
	tcase_add_test(c, log_off_silences_complaints_wherever_it_stands);
	tcase_add_test(c, loading_leaves_errno_alone);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
