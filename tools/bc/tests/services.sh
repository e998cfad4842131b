# SPDX-License-Identifier: GPL-2.0
# bc-generator, for tests/run, which sources this: units in, drop-ins out.

gen=$tmp/gen
units=$gen/units
mkdir -p "$units/etc" "$units/lib" "$gen/out"
sed 's|@sbindir@|/usr/sbin|' "$here/../systemd/bc-generator.in" >"$gen/bc-generator"
chmod +x "$gen/bc-generator"

# generate CONF
generate()
{
	rm -rf "$gen/out"
	mkdir "$gen/out"
	printf "$1" >"$gen/services.conf"
	SYSTEMD_UNIT_PATH=$units/etc:$units/lib BC_SERVICES=$gen/services.conf "$gen/bc-generator" \
		"$gen/out" "$gen/out" "$gen/out"
}

# unit NAME LINE...: of [Service]
unit()
{
	local name=$1
	shift
	printf '[Unit]\nDescription=x\n[Service]\n' >"$units/lib/$name"
	printf '%s\n' "$@" >>"$units/lib/$name"
}

# drops UNIT: what its drop-in says of ExecStart and paths
drops()
{
	sed -n '/^Exec\|^Read/p' "$gen/out/$1.d/zz-bc.conf"
}

# rewrites NAME WANTED LINE...
rewrites()
{
	local name=$1 want=$2
	shift 2
	unit a.service "$@"
	ok "generator: $name" generate "a.service /services/a"
	is "generator: $name" "$want" drops a.service
}

e="/usr/sbin/bcctl exec -c"
rewrites "a program" "ExecStart=
ExecStart=$e /services/a -- /bin/a -x \$OPTIONS" 'ExecStart=/bin/a -x $OPTIONS'
rewrites "a failure that does not matter" "ExecStart=
ExecStart=-:$e /services/a -- /bin/a" 'ExecStart=-:/bin/a'
rewrites "with quotes, on two lines" "ExecStart=
ExecStart=$e /services/a -- \"/bin/a b\"    --x \"y\"" 'ExecStart="/bin/a b" \' '# between' '  --x "y"'
rewrites "several, and a reset" "ExecStart=
ExecStart=$e /services/a -- /bin/b
ExecStart=$e /services/a -- /bin/c" 'ExecStart=/bin/a' 'ExecStart=' 'ExecStart=/bin/b' 'ExecStart = /bin/c'
rewrites "of another section" "ExecStart=
ExecStart=$e /services/a -- /bin/a" 'ExecStart=/bin/a' '[Install]' 'ExecStart=/bin/x'
rewrites "a user" "ExecStart=
ExecStart=!$e -u redis /services/a -- /bin/a" 'User=redis' 'ExecStart=/bin/a'
rewrites "a user and a group" "ExecStart=
ExecStart=-!$e -u %i:www /services/a -- /bin/a" 'User=%i' 'Group=www' 'ExecStart=-/bin/a'
rewrites "a user, but not for this" "ExecStart=
ExecStart=+$e /services/a -- /bin/a" 'User=redis' 'ExecStart=+/bin/a'
rewrites "root" "ExecStart=
ExecStart=$e /services/a -- /bin/a" 'User=root' 'ExecStart=/bin/a'
rewrites "/sys is read-only" "ReadWritePaths=/sys/kernel/config
ExecStart=
ExecStart=$e /services/a -- /bin/a" 'ProtectKernelTunables=yes' 'ExecStart=/bin/a'

rewrites "True is yes" "ReadWritePaths=/sys/kernel/config
ExecStart=
ExecStart=$e /services/a -- /bin/a" 'ProtectKernelTunables=True' 'ExecStart=/bin/a'
rewrites "all is read-only" "ReadWritePaths=/sys/kernel/config
ExecStart=
ExecStart=$e /services/a -- /bin/a" 'ReadOnlyPaths=/' 'ExecStart=/bin/a'

rewrites "what does not matter is hidden" "ExecStart=
ExecStart=$e /services/a -- /bin/a" 'InaccessiblePaths=-/home' 'TemporaryFileSystem=/var:ro' 'ExecStart=/bin/a'

# is_late REASON LINE...
is_late()
{
	local why=$1
	shift
	unit a.service "$@"
	generate "a.service /services/a profile=small" 2>"$tmp/err"
	grep -qF "bc-generator: a.service: it is moved when it has started, as it cannot start in its group: $why" "$tmp/err"
	result $? "generator: late: $why"
	is "generator: late" "ExecStartPost=+$e profile=small /services/a -- /usr/sbin/bcctl move /services/a \$MAINPID" drops a.service
}
is_late "ExecStart=@" 'ExecStart=@/bin/a b'
is_late "two programs in one ExecStart=" 'ExecStart=/bin/a ; /bin/b'
is_late "DynamicUser=" 'DynamicUser=yes' 'ExecStart=/bin/a'
is_late "it has a root directory of its own" 'RootDirectory=/srv' 'ExecStart=/bin/a'
is_late "User= and CapabilityBoundingSet=" 'User=a' 'CapabilityBoundingSet=CAP_KILL' 'ExecStart=/bin/a'
is_late "User= and CapabilityBoundingSet=" 'User=a' 'CapabilityBoundingSet=' 'ExecStart=/bin/a'
is_late "two programs in one ExecStart=" "$(printf 'ExecStart=/bin/a\t;\t/bin/b')"
is_late "DynamicUser=" 'DynamicUser=True' 'ExecStart=/bin/a'
is_late "ProcSubset=pid" 'ProcSubset=pid' 'ExecStart=/bin/a'
is_late "NoExecPaths=" 'NoExecPaths=/' 'ExecStart=/bin/a'
is_late "InaccessiblePaths=" 'InaccessiblePaths=/home /sys' 'InaccessiblePaths=/srv' 'ExecStart=/bin/a'
is_late "TemporaryFileSystem=" 'TemporaryFileSystem=/:ro' 'ExecStart=/bin/a'
is_late "AppArmorProfile=" 'AppArmorProfile=a' 'ExecStart=/bin/a'
is_late "a dollar sign in the name of the program" 'ExecStart=/bin/a$x -v'

# stays REASON LINE...: there is no main process to be moved any more, and it would fail
stays()
{
	local why=$1
	shift
	unit a.service "$@"
	generate "a.service /services/a" 2>"$tmp/err"
	grep -qxF "bc-generator: a.service: it stays in the root, as it has ended when it has started, and cannot start in its group: $why" "$tmp/err"
	result $? "generator: stays: $why"
	is "generator: stays" "" drops a.service
}
stays "it has no ExecStart=" 'ExecStop=/bin/a'
stays "two programs in one ExecStart=" 'Type=oneshot' 'ExecStart=/bin/a ; /bin/b'

# --- where units are ------------------------------------------------------------
unit a.service 'ExecStart=/bin/a'
mkdir -p "$units/etc/a.service.d" "$units/lib/a.service.d"
printf '[Service]\nExecStart=\nExecStart=/bin/lib\n' >"$units/lib/a.service.d/50-x.conf"
printf '[Service]\nExecStart=\nExecStart=/bin/z' >"$units/lib/a.service.d/60-z.conf"
printf '[Service]\nExecStart=/bin/etc\n' >"$units/etc/a.service.d/50-x.conf"
ok "generator: drop-ins" generate "a.service /services/a"
is "generator: drop-ins, in their order" "ExecStart=
ExecStart=$e /services/a -- /bin/z" drops a.service
rm "$units/lib/a.service.d/60-z.conf"
generate "a.service /services/a"
is "generator: one of /etc goes before one of its name" "ExecStart=
ExecStart=$e /services/a -- /bin/a
ExecStart=$e /services/a -- /bin/etc" drops a.service
rm -r "$units/etc/a.service.d" "$units/lib/a.service.d"
unit t@.service 'ExecStart=/bin/t %i'
ok "generator: a template" generate "t@.service /services/t/%%i profile=small numtasks=5 # why"
is "generator: a template" "ExecStart=
ExecStart=$e profile=small numtasks=5 /services/t/%i -- /bin/t %i" drops t@.service
ok "generator: an instance" generate "t@x.service /services/tx"
is "generator: an instance" "ExecStart=
ExecStart=$e /services/tx -- /bin/t %i" drops t@x.service
ln -s /dev/null "$units/etc/a.service"
ok "generator: a unit that is masked" generate "a.service /services/a"
[ ! -e "$gen/out/a.service.d" ]; result $? "generator: nothing for that"
rm "$units/etc/a.service"
ok "generator: dollars and comments" generate '# x\n\na.service /services/$a\n'
is "generator: dollars" "ExecStart=
ExecStart=$e /services/\$\$a -- /bin/a" drops a.service

unit a.service 'ExecStart=/bin/a' 'ExecStart=:/bin/b'
ok "generator: dollars where none is expanded" generate 'a.service /services/$a\n'
is "generator: dollars where none is expanded" "ExecStart=
ExecStart=$e /services/\$\$a -- /bin/a
ExecStart=:$e /services/\$a -- /bin/b" drops a.service
unit a.service 'ExecStart=/bin/a'
printf '%s\n' "a.service /services/a\\x2d\"b' notify=/usr/*  x=c\\n" >"$gen/conf.raw"
ok "generator: quotes, backslashes, stars" eval 'generate "$(sed "s/\\\\/&&/g" "$gen/conf.raw")\n"'
is "generator: quotes, backslashes, stars" "ExecStart=
ExecStart=$e notify=/usr/* x=c\\\\n /services/a\\\\x2d\\\"b\\' -- /bin/a" drops a.service

# complains TEXT CONF: says so, and goes on with the others
complains()
{
	generate "$2\na.service /services/a\n" 2>"$tmp/err"
	grep -qxF "bc-generator: $1" "$tmp/err" && [ -s "$gen/out/a.service.d/zz-bc.conf" ]
	result $? "generator: $1"
}
complains "there is no b.service" "b.service /services/b"
complains "which group for b.service?" "b.service"
complains "a.socket is no service" "a.socket /services/a"
complains "'../a.service' is no unit" "../a.service /services/a"
ok "generator: another kernel" eval 'BC_PROC=/nonexistent generate "a.service /services/a"'
is "generator: nothing for that" "" ls "$gen/out"
rm "$gen/services.conf"
ok "generator: no configuration" env BC_SERVICES="$gen/services.conf" "$gen/bc-generator" "$gen/out"

# --- what systemd thinks of it --------------------------------------------------
if command -v systemd-analyze >/dev/null; then
	unit a.service 'User=daemon' 'ProtectKernelTunables=yes' 'ExecStart=-:/bin/sh -c "exit 3" $X'
	generate "a.service /services/a profile=small"
	sed -i 's|/usr/sbin/bcctl|/bin/true|' "$gen/out/a.service.d/zz-bc.conf"
	ok "systemd-analyze verify" env SYSTEMD_UNIT_PATH="$gen/out:$units/lib:/lib/systemd/system" \
		systemd-analyze verify --man=no a.service
else
	n=$((n + 1)); echo "ok $n systemd-analyze verify # SKIP it is not there"
fi
