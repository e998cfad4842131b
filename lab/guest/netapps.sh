#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: network programs of Debian in groups with limits on their sockets,
# what is in these, and rules of packet filters. They do what they are for, the limits hold,
# and all is given back. lab/netapps starts this; /mnt is build/debian. KTAP.

. /bc/debian.sh

if [ "${INSIDE-}" != 1 ]; then
	debian_root bare.tar || exit 1
	debian_run
	exit
fi

resources="tcpsndbuf tcprcvbuf dgramrcvbuf othersockbuf numtcpsock numothersock numiptent"

# Seconds, after which a program hangs: many times what it needs here.
patience=600

# --- groups ------------------------------------------------------------------------------

# of GROUP RESOURCE FILE
of()
{
	cat $bc/$1/$2/$3
}

# holds GROUP RESOURCE N
holds()
{
	[ "$(of $1 $2 held)" = "$3" ]
}

# in_limit GROUP RESOURCE [EXTRA]: that is by how much it may be exceeded
in_limit()
{
	local max

	max=$(of $1 $2 maxheld) || return 1
	echo "#   $1: $2: $max at most, limit $(of $1 $2 limit), refused $(of $1 $2 failcnt) times"
	[ "$max" -le $(($(of $1 $2 limit) + ${3:-0})) ]
}

# A limit that nobody meets proves nothing.
met()
{
	[ "$(of $1 $2 failcnt)" -gt 0 ] || { echo "# $1 has never met its limit of $2"; false; }
}

# Nobody is left in it. Who is, is told to go.
empty()
{
	local pids

	pids=$(cat $bc/$1/tasks) || return 1
	[ -n "$pids" ] || return 0
	kill -9 $pids
	return 1
}

# Kill who is in a group, see that all has been given back, and remove it.
end_group()
{
	local status=0 r

	within 60 empty $1 || status=1
	for r in $resources; do
		within 60 holds $1 $r 0 || { echo "# $1: $r: $(of $1 $r held) are held"; status=1; }
	done
	timeout -k 5 60 bcctl delete -k $1 >/tmp/out 2>&1 || { sed 's/^/# /' /tmp/out; status=1; }
	return $status
}

# end_groups NAME GROUP...
end_groups()
{
	local name=$1 status=0 g

	shift
	for g in "$@"; do
		end_group $g || status=1
	done
	result $status "$name: all is given back"
}

# --- iperf3 --------------------------------------------------------------------------------

# last KEY: the last number with that name in what the client has said
last()
{
	sed -n "s/.*\"$1\":[^0-9]*\([0-9]*\).*/\1/p" /tmp/client | tail -n 1
}

# arrived SUM: bytes
arrived()
{
	local n

	n=$(sed -n "/\"$1\":/,/\"bytes\":/s/.*\"bytes\":[^0-9]*\([0-9]*\).*/\1/p" /tmp/client)
	echo "#   $1: ${n:-no} bytes" >&2
	echo ${n:-0}
}

# A client in a group, with these arguments, and a server in another one.
iperf()
{
	bcctl create server tcpsndbuf=$iperf_sndbuf $iperf_limits &&
		bcctl create client tcpsndbuf=$iperf_sndbuf $iperf_limits || return 1
	bcctl exec server -- iperf3 -s -1 -B 127.0.0.1 >/tmp/server 2>&1 &
	within 60 listens 5201 || return 1
	timeout -k 5 $patience bcctl exec client -- iperf3 -J -c 127.0.0.1 "$@" >/tmp/client 2>&1 &&
		return
	echo "# status $?"
	grep '"error"' /tmp/client | sed 's/^/# /'
	tail -n 3 /tmp/server | sed 's/^/# /'
	return 1
}
# What is to be sent, and all the rest.
iperf_sndbuf=300K
iperf_limits="tcprcvbuf=300K dgramrcvbuf=200K othersockbuf=200K numtcpsock=20 numothersock=20"

# Of 20 MB, some are on their way when the client says that it is enough.
enough()
{
	[ "$(arrived $1)" -gt 16000000 ]
}

# iperf_tcp CONNECTIONS WHO_SENDS ARGS...
iperf_tcp()
{
	local connections=$1 senders=$2 name status g

	shift 2
	name="iperf3${*:+ $*}"
	say "$name"
	iperf -n 20M "$@"
	status=$?
	case "$*" in
	--bidir)
		# Which of the two is ready first is theirs.
		enough sum_received || enough sum_received_bidir_reverse || status=1
		[ "$(arrived sum_received)" -gt 0 ] || status=1
		[ "$(arrived sum_received_bidir_reverse)" -gt 0 ] || status=1
		;;
	*)
		enough sum_received || status=1
		;;
	esac
	result $status "$name: 20 MB arrive"

	# For each connection: what is queued in any case, and a packet of lo that is taken in
	# any case, which may be a large one. Without limits, it would be some MB each.
	status=0
	for g in server client; do
		in_limit $g tcpsndbuf $((connections * 65536)) || status=1
		in_limit $g tcprcvbuf $((connections * 150000)) || status=1
		in_limit $g numtcpsock || status=1
	done
	for g in $senders; do
		met $g tcpsndbuf || status=1
	done
	result $status "$name: within the limits, and at them"
	end_groups "$name" client server
}

iperf_udp()
{
	local status lost packets g

	say "iperf3 -u"
	iperf -u -b 2M -n 1M -l 1400
	status=$?
	lost=$(last lost_packets) packets=$(last packets)
	echo "#   ${lost:-?} of ${packets:-?} packets lost"
	[ "${packets:-0}" -gt 500 ] && [ "${lost:-$packets}" -lt $((packets / 2)) ] || status=1
	result $status "iperf3 -u: 1 MB is sent, and most of it arrives"
	status=0
	for g in server client; do
		in_limit $g dgramrcvbuf || status=1
		in_limit $g othersockbuf || status=1
	done
	[ "$(of server dgramrcvbuf maxheld)" -gt 0 ] || status=1
	[ "$(of client othersockbuf maxheld)" -gt 0 ] || status=1
	result $status "iperf3 -u: counted, within the limits"
	end_groups "iperf3 -u" client server
}

# --- nginx ---------------------------------------------------------------------------------

# load N PATH: so many requests, by 200 connections
load()
{
	web_load 200 "$2" timeout -k 5 $patience bcctl exec clients -- ab -n "$1" ||
		{ tail -n 3 /tmp/ab | sed 's/^/# /'; return 1; }
	grep -q "^Complete requests: *$1\$" /tmp/ab
}

nginx_200()
{
	local status=0 g

	say "nginx"
	head -c 100000 /dev/zero >/var/www/html/large
	bcctl create web tcpsndbuf=1M tcprcvbuf=1M dgramrcvbuf=200K othersockbuf=200K \
		numtcpsock=1000 numothersock=50 || status=1
	bcctl create clients tcpsndbuf=1M tcprcvbuf=4M dgramrcvbuf=200K othersockbuf=200K \
		numtcpsock=1000 numothersock=50 || status=1
	start_nginx web || { sed 's/^/# /' /tmp/nginx.log; status=1; }
	load 2000 / || status=1
	# All of them at once, or it is of no use.
	for g in web clients; do
		[ "$(of $g numtcpsock maxheld)" -ge 200 ] ||
			{ echo "# $g: $(of $g numtcpsock maxheld) connections"; status=1; }
	done
	result $status "nginx: 200 connections, 2,000 requests, none fails"
	load 400 /large
	result $? "nginx: 200 connections, 400 times 100 KB, none fails"

	status=0
	for g in web clients; do
		# What each of the connections may have in any case, as above; but it is a
		# small part of the 20 MB that they are about that is sent without a limit.
		in_limit $g tcpsndbuf $((200 * 16384)) || status=1
		in_limit $g tcprcvbuf $((200 * 65536)) || status=1
		in_limit $g numtcpsock || status=1
		in_limit $g numothersock || status=1
		in_limit $g othersockbuf || status=1
	done
	met web tcpsndbuf || status=1
	result $status "nginx: within the limits, and at them"
	end_groups nginx clients web
}

# --- packet filters ------------------------------------------------------------------------

# addresses N FORMAT: a line for each, with %s in it
addresses()
{
	awk -v n="$1" -v format="$2\n" 'BEGIN {
		for (i = 1; i <= n; i++)
			printf format, sprintf("10.%d.%d.%d", i / 65536, i / 256 % 256, i % 256)
	}'
}

make_rules()
{
	{
		printf 'table ip t {\nchain c {\n'
		addresses 10000 "ip saddr %s drop"
		printf '}\n}\n'
	} >/tmp/nft-rules
	{
		printf 'table ip t {\nset s {\ntype ipv4_addr\nelements = {\n'
		addresses 10000 "%s,"
		printf '}\n}\n}\n'
	} >/tmp/nft-set
	{
		echo "*filter"
		echo ":INPUT ACCEPT [0:0]"
		addresses 1000 "-A INPUT -s %s/32 -j DROP"
		echo "COMMIT"
	} >/tmp/iptables-nft
	cp /tmp/iptables-nft /tmp/iptables-legacy
}

apart()
{
	local theirs

	theirs=$(readlink /proc/$1/ns/net) && [ "$theirs" != "$(readlink /proc/self/ns/net)" ]
}

# A network namespace, which is there as long as $ns is.
new_ns()
{
	unshare -n sleep 1000000 &
	ns=$!
	within 60 apart $ns
}

end_ns()
{
	kill -9 $ns
	wait $ns 2>/dev/null
}

in_ns()
{
	timeout -k 5 $patience nsenter -t $ns -n "$@"
}

# Load the rules of that KIND, in the group.
load_rules()
{
	local in_fw="timeout -k 5 $patience bcctl exec fw -- nsenter -t $ns -n"

	case $1 in
	nft-*) $in_fw nft -f /tmp/$1 ;;
	*) $in_fw $1-restore /tmp/$1 ;;
	esac >/tmp/out 2>&1
}

flush_rules()
{
	case $1 in
	nft-*) in_ns nft flush ruleset ;;
	*) in_ns $1 -F ;;
	esac
}

# there KIND N: so many of our addresses are there
there()
{
	local n

	case $1 in
	nft-*) in_ns nft list ruleset ;;
	*) in_ns $1-save ;;
	esac >/tmp/listing || return 1
	n=$(grep -oE '\<10(\.[0-9]+){3}\>' /tmp/listing | wc -l)
	[ "$n" = "$2" ] || { echo "# $n instead of $2"; return 1; }
	# Not even the table: the batch was one.
	case $1:$2 in
	nft-*:0) [ ! -s /tmp/listing ] || { head -n 3 /tmp/listing | sed 's/^/# /'; return 1; } ;;
	esac
}

# filter KIND RULES COUNT: so many rules, or elements, are so many in numiptent
filter()
{
	local kind=$1 rules=$2 count=$3 status=0

	say "$kind"
	new_ns && bcctl create fw numiptent=$((count - 1)) || status=1
	load_rules $kind
	case $? in
	0) echo "# it was not refused"; status=1 ;;
	124|137) echo "# it hung"; status=1 ;;
	esac
	# Such as: Could not process rule: Cannot allocate memory.
	grep -i -m 1 memory /tmp/out | sed 's/^/#   /'
	met fw numiptent || status=1
	there $kind 0 || status=1
	within 60 holds fw numiptent 0 || status=1
	in_limit fw numiptent || status=1
	result $status "$kind: $rules are refused as a whole with a limit of $((count - 1))"

	status=0
	bcctl set fw numiptent=$count || status=1
	load_rules $kind || { head -n 3 /tmp/out | sed 's/^/# /'; status=1; }
	there $kind $rules || status=1
	holds fw numiptent $count || { echo "# $(of fw numiptent held) are held"; status=1; }
	result $status "$kind: $rules fit into a limit of $count, and hold that"

	status=0
	flush_rules $kind || status=1
	within 60 holds fw numiptent 0 || { echo "# $(of fw numiptent held) are held"; status=1; }
	there $kind 0 || status=1
	result $status "$kind: a flush gives it back"

	status=0
	load_rules $kind && holds fw numiptent $count ||
		{ head -n 3 /tmp/out | sed 's/^/# /'; status=1; }
	end_ns
	end_group fw || status=1
	result $status "$kind: the end of the network namespace gives it back"
}

# --- a run ---------------------------------------------------------------------------------

# Some programs have more than 200 connections.
ulimit -n 4096

echo "TAP version 13"
echo "1..$((4 * 3 + 3 + 4 + 4 * 4))"
say "unpacked"
# A connection of each is for control.
iperf_tcp 2 client
iperf_tcp 2 server -R
iperf_tcp 3 "client server" --bidir
# What eight may receive together leaves them less to send: 240 KB, once.
iperf_sndbuf=100K
iperf_tcp 9 client -P 8
iperf_sndbuf=300K
iperf_udp
nginx_200
make_rules
filter nft-rules 10000 10000
# The set is one, too.
filter nft-set 10000 10001
filter iptables-nft 1000 1000
filter iptables-legacy 1000 1000
exit $rc
