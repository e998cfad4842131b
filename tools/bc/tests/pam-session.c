// SPDX-License-Identifier: GPL-2.0
/*
 * A program that opens a session, runs a command in it, and closes it: what sshd, login, su and
 * cron do, for the tests of pam_bc.
 *
 *   pam-session [-k] [-s] [-u] [-2] CONFDIR USER COMMAND
 *
 * CONFDIR has a file "bc", as in /etc/pam.d. -k: end without closing. -s: as systemd, where
 * another process closes, which has no privilege. -u: as su, with the real user id of who has
 * called it. -2: a second session in that one, closed before the command. Prints what PAM
 * returns, and the group that it is in afterwards.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

static int no_talk(int n, const struct pam_message **msg, struct pam_response **resp,
		   void *data)
{
	(void)n;
	(void)msg;
	(void)resp;
	(void)data;
	return PAM_CONV_ERR;
}

static pam_handle_t *start(const char *dir, const char *user)
{
	static const struct pam_conv conv = { .conv = no_talk };
	pam_handle_t *pamh;
	int ret;

	ret = pam_start_confdir("bc", user, &conv, dir, &pamh);
	if (ret != PAM_SUCCESS) {
		fprintf(stderr, "pam_start: %d\n", ret);
		exit(1);
	}
	return pamh;
}

static void print_group(void)
{
	char path[4096], text[4096] = "none\n";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%d/bc", getenv("BC_PROC"), getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n > 0)
		text[n] = '\0';
	if (fd >= 0)
		close(fd);
	printf("in %s", text);
}

static void close_elsewhere(pam_handle_t *pamh)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (setresuid(65534, 65534, 65534))
			_exit(1);
		_exit(pam_close_session(pamh, 0));
	}
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	bool leave = false, elsewhere = false, twice = false;
	pam_handle_t *pamh, *second;
	int c, ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "ksu2")) != -1) {
		leave |= c == 'k';
		elsewhere |= c == 's';
		twice |= c == '2';
		if (c == 'u' && setresuid(65534, -1, -1))
			return 1;
	}
	if (argc - optind != 3)
		return 2;
	pamh = start(argv[optind], argv[optind + 1]);
	ret = pam_open_session(pamh, 0);
	printf("open %d\n", ret);
	if (twice) {
		second = start(argv[optind], argv[optind + 1]);
		printf("open %d\n", pam_open_session(second, 0));
		printf("close %d\n", pam_close_session(second, 0));
		pam_end(second, 0);
	}
	if (ret == PAM_SUCCESS) {
		print_group();
		if (system(argv[optind + 2]))
			puts("failed");
		if (elsewhere)
			close_elsewhere(pamh);
		else if (!leave)
			printf("close %d\n", pam_close_session(pamh, 0));
		print_group();
	}
	pam_end(pamh, ret);
	return 0;
}
