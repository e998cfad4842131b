// SPDX-License-Identifier: GPL-2.0
/* What pam_bc logs goes to a file in its tests: BC_LOG, a line each, with the priority. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <security/pam_ext.h>

void __wrap_pam_vsyslog(const pam_handle_t *pamh, int priority, const char *fmt, va_list args);

void __wrap_pam_vsyslog(const pam_handle_t *pamh, int priority, const char *fmt, va_list args)
{
	const char *file = getenv("BC_LOG");
	char text[1024];
	int fd, n, m;

	(void)pamh;
	fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "<%d> ", priority);
	m = vsnprintf(text + n, sizeof(text) - n - 1, fmt, args);
	n += m < (int)sizeof(text) - n - 1 ? m : (int)sizeof(text) - n - 2;
	text[n++] = '\n';
	/* In one go, as there are several who log. */
	if (write(fd, text, n) != n)
		abort();
	close(fd);
}
