// SPDX-License-Identifier: GPL-2.0
/* Amounts: text to numbers and back. */
#include <ctype.h>
#include <unistd.h>

#include "internal.h"

const char * const bc_file_names[BC_NR_FILES] = {
	[BC_HELD] = "held",
	[BC_MAXHELD] = "maxheld",
	[BC_MINHELD] = "minheld",
	[BC_BARRIER] = "barrier",
	[BC_LIMIT] = "limit",
	[BC_FAILCNT] = "failcnt",
};

const char *bc_unit_name(enum bc_unit unit)
{
	switch (unit) {
	case BC_UNIT_ITEMS:
		return "items";
	case BC_UNIT_BYTES:
		return "bytes";
	case BC_UNIT_PAGES:
		return "pages";
	default:
		return "-";
	}
}

/* How far to shift for this suffix; negative if it is none. */
static int suffix_shift(char c)
{
	static const char suffixes[] = "KMGT";
	const char *p = c ? strchr(suffixes, toupper((unsigned char)c)) : NULL;

	return p ? 10 * (p - suffixes + 1) : -1;
}

int bc_parse_amount(const char *text, enum bc_unit unit, long long *val)
{
	unsigned long long num;
	int shift = 0;
	char *end;

	if (!strcmp(text, "max") || !strcmp(text, "unlimited")) {
		*val = BC_MAX;
		return 0;
	}
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	num = strtoull(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (unit == BC_UNIT_PAGES && toupper((unsigned char)*end) == 'P') {
		end++;
	} else if (*end) {
		shift = suffix_shift(*end++);
		if (shift < 0)
			return -EINVAL;
	}
	if (*end)
		return -EINVAL;
	if (num > (unsigned long long)LLONG_MAX >> shift)
		return -ERANGE;
	num <<= shift;
	if (unit == BC_UNIT_PAGES && shift) {
		unsigned long page = sysconf(_SC_PAGESIZE);

		/* To ask for some, and get none, is a mistake. */
		if (num && num < page)
			return -EINVAL;
		num /= page;
	}
	*val = num;
	return 0;
}

long long bc_amount_value(const char *text)
{
	long long val;

	/* What the kernel shows is digits or "max". */
	return bc_parse_amount(text, BC_UNIT_ITEMS, &val) ? -1 : val;
}

char *bc_format_amount(long long val, char buf[BC_AMOUNT_SIZE])
{
	if (val == BC_MAX)
		snprintf(buf, BC_AMOUNT_SIZE, "max");
	else
		snprintf(buf, BC_AMOUNT_SIZE, "%lld", val);
	return buf;
}

long long bc_to_bytes(long long val, enum bc_unit unit)
{
	long page = sysconf(_SC_PAGESIZE);

	if (unit != BC_UNIT_PAGES || val == BC_MAX)
		return val;
	return val > LLONG_MAX / page ? LLONG_MAX : val * page;
}

char *bc_format_human(long long val, enum bc_unit unit, char buf[BC_AMOUNT_SIZE])
{
	static const char suffixes[] = "KMGT";
	int i;

	if (val == BC_MAX)
		return bc_format_amount(val, buf);
	if (unit == BC_UNIT_PAGES) {
		/* Without a suffix it would be taken for pages. */
		if (val && val < (1 << 20) / sysconf(_SC_PAGESIZE)) {
			val = bc_to_bytes(val, unit) >> 10;
			snprintf(buf, BC_AMOUNT_SIZE, "%lldK", val);
			return buf;
		}
		val = bc_to_bytes(val, unit);
	}
	/* Up to five digits are as short as a suffix and more exact. */
	if (val < 100000 && unit != BC_UNIT_PAGES) {
		snprintf(buf, BC_AMOUNT_SIZE, "%lld", val);
		return buf;
	}
	for (i = -1; val >= 10240 && i < 3; i++)
		val >>= 10;
	if (i < 0)
		snprintf(buf, BC_AMOUNT_SIZE, "%lld", val);
	else
		snprintf(buf, BC_AMOUNT_SIZE, "%lld%c", val, suffixes[i]);
	return buf;
}
