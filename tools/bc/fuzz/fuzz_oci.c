// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: what a runtime tells bc-oci-hook, as a state and as a config.json, and, as words
 * with NULs between them, the arguments of a runtime. A name of a container has to become that
 * of a file in its directory, whatever it is.
 */
#include <stdarg.h>

#include "../oci/oci.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define MAX_ARGS 64

/* As in main.c, which has a main(). */
char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

int fail(const char *fmt, ...)
{
	(void)fmt;
	return EXIT_FAILURE;
}

struct bc_options oci_options(void)
{
	return (struct bc_options) { };
}

static void check_name(const char *id)
{
	char *name;

	if (bc_escape_name(NULL, id, &name) || !name[0] || name[0] == '.' ||
	    strpbrk(name, "/\n\x7f") || strlen(name) > 3 * strlen(id))
		abort();
	free(name);
}

static void parse_args(const char *data, size_t size)
{
	char *argv[MAX_ARGS + 1] = { "runc" }, *text = malloc(size + 1), *p = text;
	const char *container, *wrong;
	int argc = 1, i;

	memcpy(text, data, size);
	text[size] = '\0';
	for (; argc < MAX_ARGS && p < text + size; p += strlen(p) + 1)
		argv[argc++] = p;
	container = oci_exec_container(argc, argv, &wrong);
	for (i = 1; container && i < argc && argv[i] != container; i++)
		;
	if (container && (i == argc || wrong))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct oci_state s, c = { };
	char *text, *wrong;
	size_t i;

	/* As long as it is, so that a read beyond it is seen. */
	text = malloc(size ?: 1);
	memcpy(text, data, size);
	wrong = oci_parse_state(text, size, &s);
	if (!wrong)
		check_name(s.id);
	for (i = 0; i < s.settings.n; i++) {
		if (!s.settings.list[i].name[0])
			abort();
	}
	free(wrong);
	oci_state_free(&s);
	free(oci_parse_config(text, size, &c));
	oci_state_free(&c);
	parse_args(text, size);
	free(text);
	return 0;
}
