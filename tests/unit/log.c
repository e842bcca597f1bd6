/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: conversions as printf's, one line each, a bound per second, and never into a socket. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/proc/log.h"

static char got[65536];

#define SAME(...)                                                                    \
	do {                                                                         \
		char a[256], b[256];                                                 \
		int n = snprintf(a, sizeof(a), __VA_ARGS__);                         \
		ck_assert_uint_eq(log_format(b, sizeof(b), __VA_ARGS__), (size_t)n); \
		ck_assert_str_eq(b, a);                                              \
	} while (0)

START_TEST(conversions_are_those_of_printf)
{
	SAME("plain");
	SAME("%d %d %d %i", 0, INT_MAX, INT_MIN, -1);
	SAME("%ld %lld %zu %ju", LONG_MIN, LLONG_MAX, SIZE_MAX, UINTMAX_MAX);
	SAME("%u %x %lx %08x %5u|%5d|%d", UINT_MAX, 0xbeefu, ULONG_MAX, 0x1234u, 7u, -7, 3);
	SAME("%05d %5d", -42, -42);
	SAME("%s %.*s %.2s %c%%", "text", 3, "abcdef", "xyz", 'c');
	SAME("%p", (void *)got);
}
END_TEST

START_TEST(a_small_buffer_is_cut_and_terminated)
{
	char b[8];

	ck_assert_uint_eq(log_format(b, sizeof(b), "%s", "0123456789"), 7);
	ck_assert_str_eq(b, "0123456");
	ck_assert_uint_eq(log_format(b, 1, "%d", 5), 0);
	ck_assert_str_eq(b, "");
	ck_assert_uint_eq(log_format(b, 0, "x"), 0);
}
END_TEST

static size_t file_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(got, 1, sizeof(got) - 1, f) : 0, lines = 0;

	got[n] = 0;
	if (f)
		fclose(f);
	for (const char *p = got; *p; p++)
		lines += *p == '\n';
	return lines;
}

START_TEST(lines_beyond_the_bound_are_counted_and_told)
{
	char path[] = "/tmp/log-test-XXXXXX", spec[64];

	close(mkstemp(path));
	snprintf(spec, sizeof(spec), "info:%s", path);
	ck_assert_int_eq(log_setup(spec), 0);
	errno = 4711;
	for (int i = 0; i < 3000; i++)
		log_info("line %d", i);
	log_debug("not at this level");
	ck_assert_int_eq(errno, 4711);
	/* The second may have turned meanwhile, once or (on a stalled machine) a few times. */
	ck_assert_uint_ge(file_lines(path), LOG_LINES_PER_S);
	ck_assert_uint_lt(file_lines(path), 3000);
	ck_assert_ptr_null(strstr(got, "not at this level"));
	sleep(1);
	usleep(50000);
	log_info("after");
	file_lines(path);
	ck_assert_ptr_nonnull(strstr(got, " lines lost) after\n"));
	unlink(path);
}
END_TEST

START_TEST(a_long_line_stays_one_line)
{
	char path[] = "/tmp/log-test-XXXXXX", spec[64], text[2000];

	close(mkstemp(path));
	snprintf(spec, sizeof(spec), "warn:%s", path);
	log_setup(spec);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_warn("%s", text);
	log_warn("next");
	ck_assert_uint_eq(file_lines(path), 2);
	ck_assert_uint_lt(strcspn(got, "\n"), 512);
	unlink(path);
}
END_TEST

START_TEST(a_socket_that_took_the_number_of_stderr_gets_nothing)
{
	int sv[2], err = dup(2);
	char c;

	ck_assert_int_eq(log_setup("warn"), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	dup2(sv[0], 2);
	log_warn("this must not reach a client");
	ck_assert_int_eq(recv(sv[1], &c, 1, MSG_DONTWAIT), -1);
	/* But where standard error was a socket from the start, it is one to write to. */
	ck_assert_int_eq(log_setup("warn"), 0);
	log_warn("this may");
	ck_assert_int_eq(recv(sv[1], &c, 1, MSG_DONTWAIT), 1);
	dup2(err, 2);
}
END_TEST

START_TEST(a_closed_stderr_is_no_matter)
{
	int err = dup(2);

	log_setup("warn");
	close(2);
	errno = 4711;
	log_warn("nobody reads this");
	ck_assert_int_eq(errno, 4711);
	dup2(err, 2);
}
END_TEST

START_TEST(a_wrong_spec_changes_nothing)
{
	ck_assert_int_eq(log_setup("info"), 0);
	ck_assert_int_eq(log_setup("verbose"), -EINVAL);
	ck_assert_int_eq(log_setup("debug:"), -EINVAL);
	ck_assert_int_eq(log_setup(""), -EINVAL);
	ck_assert_int_eq(log_level, LOG_LEVEL_INFO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, conversions_are_those_of_printf);
	tcase_add_test(c, a_small_buffer_is_cut_and_terminated);
	tcase_add_test(c, lines_beyond_the_bound_are_counted_and_told);
	tcase_add_test(c, a_long_line_stays_one_line);
	tcase_add_test(c, a_socket_that_took_the_number_of_stderr_gets_nothing);
	tcase_add_test(c, a_closed_stderr_is_no_matter);
	tcase_add_test(c, a_wrong_spec_changes_nothing);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
