# SPDX-License-Identifier: GPL-2.0
# Tables in Markdown, for report.awk and thrash.awk. Long forms go to files in the folder
# "out".

function comma(n,  s, sign)
{
	sign = n < 0 ? "-" : ""
	n = int((n < 0 ? -n : n) + 0.5)
	for (; n >= 1000; n = int(n / 1000))
		s = sprintf(",%03d%s", n % 1000, s)
	return sign n s
}

function signed(n)
{
	return (n < 0 ? "" : "+") comma(n)
}

# A figure with a digit more, where one is needed.
function figure(n)
{
	return n == int(n) ? comma(n) : sprintf("%.1f", n)
}

function row(a, n,  i, line)
{
	line = "|"
	for (i = 1; i <= n; i++)
		line = line " " a[i] " |"
	print line
}

function header(text, right,  a, i, n, rule)
{
	n = split(text, a, "|")
	print ""
	row(a, n)
	for (i = 1; i <= n; i++)
		rule = rule (i > right ? " ---: |" : " --- |")
	print "|" rule
}

# A line of the targets: value is to be at most bound.
function target(what, value, bound,  a, met)
{
	met = value <= bound
	missed += !met
	ntargets++
	a[1] = what
	a[2] = figure(value)
	a[3] = figure(bound)
	a[4] = met ? "met" : "**missed**"
	row(a, 4)
	gsub(/,/, "", what)
	print what "," value "," bound "," (met ? "met" : "missed") >(out "/targets.csv")
}
