// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: what is written to files, as amounts and the like. No locks.
 */
#include <linux/bc/core.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

/**
 * bc_copy_text - what was written to a file, without white space around it
 * @page: what was written
 * @count: how much
 * @text: becomes the text, in what is returned
 *
 * Context: Process context. May sleep.
 * Return: what to kfree(), or an ERR_PTR(): -EINVAL, there is a NUL in it; -ENOMEM.
 */
char *bc_copy_text(const char *page, size_t count, char **text)
{
	char *buf;

	if (strnlen(page, count) != count)
		return ERR_PTR(-EINVAL);
	buf = kmemdup_nul(page, count, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	*text = strim(buf);
	return buf;
}
EXPORT_SYMBOL_GPL(bc_copy_text);

/**
 * bc_parse_bool - what was written to a file that is on or off
 * @page: what was written
 * @count: how much
 * @val: becomes what it says
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL, it is not 0 or 1; -ERANGE, not by far; -ENOMEM.
 */
int bc_parse_bool(const char *page, size_t count, bool *val)
{
	unsigned int number;
	char *buf, *text;
	int err;

	buf = bc_copy_text(page, count, &text);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = kstrtouint(text, 10, &number);
	kfree(buf);
	if (!err && number > 1)
		err = -EINVAL;
	if (!err)
		*val = number;
	return err;
}
EXPORT_SYMBOL_GPL(bc_parse_bool);

/* How far a suffix shifts what is before it, or -1 if it is none. */
static int suffix_shift(char suffix)
{
	switch (toupper(suffix)) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return -1;
	}
}

/*
 * A number with a suffix, which has been taken off. Of pages, what is given is bytes
 * then, and what is less than one page is no amount of them. (0 is.)
 */
static int scale_amount(unsigned long long val, unsigned int shift, enum bc_unit unit,
			unsigned long *amount)
{
	unsigned int page_shift = unit == BC_UNIT_PAGES ? PAGE_SHIFT : 0;
	unsigned long long bytes = val << shift;

	if (val > ULLONG_MAX >> shift || bytes >> page_shift > BC_MAX)
		return -ERANGE;
	if (bytes && !(bytes >> page_shift))
		return -EINVAL;
	*amount = bytes >> page_shift;
	return 0;
}

/**
 * bc_parse_amount - how much was written to a file
 * @page: what was written: a decimal number, which may have a suffix, or a word for no
 *	limit
 * @count: how long that is
 * @unit: what is counted
 * @amount: becomes what it says
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL, it is no amount; -ERANGE, there is no such amount; -ENOMEM.
 */
int bc_parse_amount(const char *page, size_t count, enum bc_unit unit,
		    unsigned long *amount)
{
	unsigned long long val;
	char *buf, *text, *last;
	int err, shift = -1;
	size_t len;

	buf = bc_copy_text(page, count, &text);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	err = 0;
	if (!strcmp(text, "max") || !strcmp(text, "unlimited")) {
		*amount = BC_MAX;
		goto out;
	}

	len = strlen(text);
	if (len > 1 && isdigit(text[len - 2])) {
		last = &text[len - 1];
		shift = suffix_shift(*last);
		if (shift >= 0 || (unit == BC_UNIT_PAGES && toupper(*last) == 'P'))
			*last = '\0';
	}
	err = kstrtoull(text, 10, &val);
	if (err)
		goto out;
	if (shift >= 0)
		err = scale_amount(val, shift, unit, amount);
	else if (val > BC_MAX)
		err = -ERANGE;
	else
		*amount = val;
out:
	kfree(buf);
	return err;
}
