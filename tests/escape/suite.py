# SPDX-License-Identifier: Apache-2.0
"""Runs the attempts in containers and says what came of each. For run and compare, as root.

What the host prepares lies in a folder of its own, which containers see through three binds alone:
/rw (writable), /ro (read-only) and /cover (a folder of which another bind covers a part). Beside it
a process of the user waits to be reached (canary.c). Its secret is made anew for each container, and
no argument or variable of a container has it."""
import os, pwd, secrets, select, shutil, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
EXTRA_GROUP = 64997
STRANGER = 64998
# The columns of the table, and who runs in each: (column, user, options).
MODES = [
    ("user", "coffer-test", []),
    ("user", "coffer-alone", []),
    ("fakeroot", "coffer-test", ["--fakeroot"]),
    ("fakeroot-alone", "coffer-alone", ["--fakeroot"]),
    ("root", "root", []),
    ("root-userns", "root", ["--userns"]),
    ("root-fakeroot", "root", ["--fakeroot"]),
]
COLUMNS = list(dict.fromkeys(mode[0] for mode in MODES))
# By itself, because it ends the container; and what is tried again without a network.
ALONE = ["server-kill"]
NETLESS = ["socket-abstract", "socket-loopback", "socket-raw"]


def table():
    """The rows: name, what is tried, [(without, with --containall) for each column], why."""
    rows = []
    for line in open(os.path.join(HERE, "table")):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        words = [word.strip() for word in line.split("|")]
        if len(words) != 2 + len(COLUMNS) + 1:
            sys.exit("table: not %d fields: %s" % (3 + len(COLUMNS), line))
        cells = []
        for cell in words[2:-1]:
            cell = cell.split("/")
            if len(cell) > 2 or any(c not in ("refused", "own", "held", "allowed", "any") for c in cell):
                sys.exit("table: what is %s? %s" % (cell, line))
            cells.append((cell[0], cell[-1]))
        rows.append((words[0], words[1], cells, words[-1]))
    return rows


def as_expected(expected, result):
    """held: refused or own; any: a machine's matter, which the reason tells of."""
    return {"refused": result == "refused", "own": result == "own", "allowed": result == "out",
            "held": result in ("refused", "own"), "any": result in ("refused", "own", "out")}[expected]


def attempt_names(attempt):
    """Those that share a container."""
    names = subprocess.run([attempt, "list"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    return [name for name in names if name not in ALONE]


def own_mounts():
    """Root's own mount namespace, whose mounts all are shared: what spreads is seen in it."""
    if os.environ.get("ESCAPE_MOUNTS") != "own":
        os.environ["ESCAPE_MOUNTS"] = "own"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-c",
                              'mount --make-rshared / && exec "$@"', "-"] + [sys.executable] + sys.argv)


def may(set_name, capability):
    line = next(l for l in open("/proc/self/status") if l.startswith(set_name))
    return int(line.split()[1], 16) >> capability & 1


# Enters the root $1, which sees the host's folder $2, in the folder $3 of it.
PEERS = """
set -e
root=$1 base=$2 home=$3
shift 3
mount --bind "$root" "$root"
for name in proc sys dev tmp; do mount --rbind "/$name" "$root/$name"; done
mkdir -p "$root$base"
mount --bind "$base" "$root$base"
mount --bind "$base/subids" "$root/etc/subuid"
mount --bind "$base/subids" "$root/etc/subgid"
cd "$root"
mkdir -p .old
pivot_root . .old
cd /
umount -l /.old
cd "$home"
exec "$@"
"""


class Suite:
    """With a program of one of the kinds coffer, apptainer, bwrap; images: what make_images made;
    root: where the root lies that the program is run in."""

    def __init__(self, kind, program, attempt, images, root=""):
        self.kind, self.program, self.root = kind, program, root
        self.name = "coffer-escape-" + secrets.token_hex(4)
        self.base = "/var/lib/" + self.name
        for folder, mode in (("", 0o755), ("/hidden", 0o777), ("/rw", 0o777), ("/rw/point", 0o777), ("/ro", 0o777),
                             ("/cover", 0o755), ("/cover/inner", 0o755), ("/empty", 0o755), ("/bin", 0o755)):
            os.mkdir(self.base + folder)
            os.chmod(self.base + folder, mode)
        shutil.copy(attempt, self.base + "/bin/attempt")
        # A tree is copied with its owners and attributes.
        name = {"coffer": "image.sif", "apptainer": "plain.sif", "bwrap": "tree"}[kind]
        self.image = self.base + "/" + name
        subprocess.run(["cp", "-a", images + "/" + name, images + "/key.pem", self.base], check=True)
        self.names = attempt_names(attempt)
        self.changed = []

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)
        if self.root and os.path.isdir(self.root + self.base):
            os.rmdir(self.root + self.base)

    def file(self, path, text, mode=0o644, uid=0, gid=0):
        with open(path, "w") as out:
            out.write(text)
        os.chown(path, uid, gid)
        os.chmod(path, mode)

    def prepare(self, user):
        """The files and the process to be reached; returns the facts."""
        self.token = "COFFER-CANARY-" + secrets.token_hex(8)
        base, tmp = self.base, "/tmp/" + self.name
        # A user of the other root is its own.
        line = next(l for l in open(self.root + "/etc/passwd") if l.startswith(user + ":")).split(":")
        self.uid, self.gid, self.home = int(line[2]), int(line[3]), line[5]
        for left in os.listdir(base + "/rw"):
            if left != "point":
                os.unlink(base + "/rw/" + left)
        os.chown(base + "/hidden", self.uid, self.gid)
        shutil.rmtree(tmp, ignore_errors=True)
        os.mkdir(tmp)
        os.chown(tmp, self.uid, self.gid)
        self.file(base + "/hidden/secret", self.token)
        self.file(base + "/cover/inner/secret", self.token)
        self.file(base + "/rw/root-only", self.token, 0o600)
        self.file(base + "/rw/root-owned", "root's\n")
        self.file(base + "/rw/others", self.token, 0o600, STRANGER, STRANGER)
        self.file(base + "/rw/not-for-group", self.token, 0o604, 0, EXTRA_GROUP)
        self.file(base + "/ro/target", "as it was\n", 0o666)
        self.places = [tmp + "/file", self.root + self.home + "/" + self.name, "/dev/shm/" + self.name]
        for place in self.places:
            self.file(place, self.token, 0o600, self.uid, self.gid)
        facts = {"secret": base + "/hidden/secret", "door": base + "/hidden/door", "tmp_door": tmp + "/door",
                 "tmp_file": tmp + "/file", "home_file": self.home + "/" + self.name,
                 "shm_file": "/dev/shm/" + self.name, "inherited": "9"}
        for kind in ("user", "mnt", "net", "pid", "ipc", "uts", "cgroup"):
            facts["ns_" + kind] = str(os.stat("/proc/self/ns/" + kind).st_ino)
        for name in ("hosts", "resolv.conf", "localtime", "passwd", "group"):
            try:
                info = os.stat(self.root + "/etc/" + name)
                facts["file_" + name] = "%d:%d" % (info.st_dev, info.st_ino)
            except OSError:
                pass
        disk = os.stat("/").st_dev
        try:
            number = "/sys/dev/block/%d:%d/uevent" % (os.major(disk), os.minor(disk))
            device = next(l.strip()[8:] for l in open(number) if l.startswith("DEVNAME="))
            facts["block"], facts["block_number"] = "/dev/" + device, str(disk)
        except OSError:  # a root that lies on no device
            facts["block"], facts["block_number"] = "/dev/loop0", str(os.makedev(7, 0))
        for door in ("door", "tmp_door"):
            if os.path.exists(facts[door]):
                os.unlink(facts[door])
        self.canary = subprocess.Popen(
            self.as_user([base + "/bin/attempt", "canary", self.name, facts["secret"], facts["door"], facts["tmp_door"]]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"CANARY": self.token, "PATH": os.environ["PATH"]})
        for line in self.canary.stdout:
            line = line.decode().strip()
            if line == "ready":
                break
            facts.update([line.split("=", 1)])
        else:
            raise RuntimeError("no canary")
        return facts

    def as_user(self, command):
        return ["setpriv", "--reuid", str(self.uid), "--regid", str(self.gid),
                "--groups", "%d,%d" % (self.gid, EXTRA_GROUP)] + command

    def state(self):
        """What no attempt may have changed of the machine."""
        texts = [os.uname().nodename]
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward",
                     self.root + "/etc/hosts", self.root + "/etc/resolv.conf", self.root + "/etc/passwd"):
            try:
                texts.append(path + ": " + open(path).read())
            except FileNotFoundError:  # not each kernel has each
                pass
        return texts

    def start(self, options, contained, netless, facts, names):
        """The words that start a container with these attempts."""
        base = self.base
        attempt = ["/bin/attempt"] + ["%s=%s" % fact for fact in sorted(facts.items())] + names
        if self.kind == "bwrap":
            words = [self.program, "--ro-bind", self.image, "/", "--proc", "/proc"]
            # The closest that it has: what Apptainer shows unasked, and --containall.
            if contained:
                words += ["--unshare-pid", "--unshare-ipc", "--new-session", "--dev", "/dev", "--tmpfs", "/tmp"]
            else:
                words += ["--dev-bind", "/dev", "/dev", "--ro-bind", "/sys", "/sys", "--bind", "/tmp", "/tmp",
                          "--bind", self.home, self.home, "--ro-bind", "/etc/hosts", "/etc/hosts",
                          "--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"]
            words += ["--unshare-net"] if netless else []
            words += {"--userns": ["--unshare-user"], "--fakeroot": ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"],
                      "": []}[options[0] if options else ""]
            words += ["--bind", base + "/rw", "/rw", "--ro-bind", base + "/ro", "/ro", "--bind", base + "/cover", "/cover",
                      "--bind", base + "/empty", "/cover/inner"]
            return words + attempt
        words = [self.program, "--quiet", "exec"] + options + (["--containall"] if contained else [])
        words += ["--net", "--network", "none"] if netless else []
        words += ["-B", base + "/rw:/rw", "-B", base + "/ro:/ro:ro", "-B", base + "/cover:/cover",
                  "-B", base + "/empty:/cover/inner"]
        if self.kind == "apptainer" and self.uid == 0 and not options and not may("CapEff", 24):
            # It asks for all capabilities, of which the root of a machine in a machine may lack one.
            words += ["--drop-caps", "CAP_SYS_RESOURCE"]
        if self.kind == "coffer":
            words.append("--pem-path=" + base + "/key.pem")
        return words + [self.image] + attempt

    def command(self, user, words):
        """These words as the user's command line, in the root of the program."""
        command = self.as_user(["env", "-i", "HOME=" + self.home, "USER=" + user, "PATH=" + os.environ["PATH"],
                                "CANARY=" + self.token] + words)
        if self.root:
            self.file(self.base + "/subids", "%s:100000:65536\n" % user)
            command = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                       PEERS, "-", self.root, self.base, self.home] + command
        return command

    def container(self, user, options, contained, netless=False, names=()):
        """{attempt: (result, evidence)} of one container; what else came under "" (its messages)."""
        facts = self.prepare(user)
        before, results = self.state(), {}
        other = self.other(user, options, contained, facts)
        out, err, typed = (self.base + "/" + n for n in ("out", "err", "typed"))
        words = self.start(options, contained, netless, facts, list(names))
        # The terminal's shell reads afterwards what was typed into it meanwhile.
        script = 'sh -c \'exec %s/bin/attempt launch %s/hidden 9 "$@" command=$$\' - "$@" >%s 2>%s\n' % (
            self.base, self.base, out, err) + 'while IFS= read -r -t 0.3 line; do echo "$line"; done >%s' % typed
        command = self.command(user, ["bash", "-c", script, "-"] + words)
        for path in (out, err, typed):
            self.file(path, "", 0o644, self.uid, self.gid)
        pid, terminal = os.forkpty()
        if pid == 0:
            os.closerange(3, 4096)  # what our own caller left open
            os.chdir(self.home if not self.root else "/")
            os.execvp(command[0], command)
        self.wait(pid, terminal, 120)
        os.killpg(other, signal.SIGKILL)
        os.waitpid(other, 0)
        self.canary.stdin.close()
        seen = self.canary.stdout.read().decode().split("\n")
        self.canary.wait()
        for line in open(out, errors="replace"):
            words = line.rstrip("\n").split(" ", 2)
            if len(words) >= 2 and words[1] in ("refused", "own", "out", "broken"):
                results[words[0]] = (words[1], words[2] if len(words) > 2 else "")
        results[""] = ("", open(err, errors="replace").read())
        self.outside(results, seen, open(typed, errors="replace").read())
        after = self.state()
        if before != after:
            self.changed.append("%s %s: %s" % (user, options, [b for a, b in zip(before, after) if a != b]))
        for place in self.places:
            if os.path.exists(place):
                os.unlink(place)
        shutil.rmtree("/tmp/" + self.name, ignore_errors=True)
        return results

    def other(self, user, options, contained, facts):
        """Another container of the user's, of the same kind; returns the process group."""
        words = self.start(options, contained, False, {}, [])
        words = words[:words.index("/bin/attempt")] + ["/bin/attempt", "wait", self.name]
        pid = os.fork()
        if pid == 0:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            os.closerange(3, 4096)
            command = self.command(user, words)
            os.chdir("/")
            os.execvp(command[0], command)
        end = time.monotonic() + 20
        wanted = b"/bin/attempt\0wait\0" + self.name.encode() + b"\0"
        while "other" not in facts and time.monotonic() < end:
            for name in os.listdir("/proc"):
                try:
                    if name.isdigit() and open("/proc/" + name + "/cmdline", "rb").read() == wanted:
                        facts["other"] = name
                except OSError:
                    pass
            time.sleep(0.02)
            if os.waitpid(pid, os.WNOHANG)[0]:  # no such container
                pid = os.spawnvp(os.P_NOWAIT, "setsid", ["setsid", "sleep", "100"])
                break
        return pid

    def wait(self, pid, terminal, seconds):
        """Until the command has ended; what the terminal shows is not kept."""
        end = time.monotonic() + seconds
        while True:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    os.read(terminal, 65536)
                except OSError:
                    pass
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
        os.close(terminal)

    def outside(self, results, seen, typed):
        """What the host sees of it counts more than what the attempt says."""
        def out(name, evidence):
            results[name] = ("out", evidence)
        for line in seen:
            if line.startswith("seen "):
                out(line[5:], "seen by the process outside")
        for line in typed.split("\n"):
            if line.startswith("tiocsti"):
                out(line, "the terminal's shell read it")
        if "coffer-escape" in "".join(l for l in open("/proc/self/mountinfo") if " coffer-escape " in l):
            out("mount-spread", "in the host's mount table")
            subprocess.run(["umount", "-l", self.base + "/rw/point"], check=False)
        if open(self.base + "/ro/target").read() != "as it was\n":
            if results.get("mount-overlay", ("",))[0] == "own" and not any(
                    results.get(n, ("",))[0] == "out" for n in ("remount-ro", "rebind-ro", "clone-ro", "nested-ro")):
                out("mount-overlay", "the folder below was changed")
        def left(name):
            try:
                return os.lstat(self.base + "/rw/" + name)
            except OSError:
                return None
        info = left("left-set-uid")
        if info and info.st_mode & 0o4000 and info.st_uid == 0:
            out("leave-set-uid", "a set-uid file of the host's root")
        info = left("left-owner")
        if info and info.st_uid == 0:
            out("leave-owner", "the host's root has it")
        if left("left-capable"):
            try:
                value = os.getxattr(self.base + "/rw/left-capable", "security.capability")
            except OSError:
                value = b""
            # Version 2 counts everywhere, version 3 where this id is root.
            if value[3:4] == b"\2" or value[3:4] == b"\3" and value[-4:] == bytes(4):
                out("leave-capabilities", "they count on the host")
        if left("left-device"):
            out("leave-device", "a device node")

    def mode(self, user, options, contained):
        """All attempts of one mode, with those that have a container to themselves."""
        results = self.container(user, options, contained, names=self.names)
        message = results.pop("")[1]
        for name in ALONE:
            alone = self.container(user, options, contained, names=[name])
            # It ends the container before it can say so.
            message_alone = alone.pop("")[1]
            ended = "out" if results else "none"
            results[name] = alone.get(name, (ended, message_alone.strip().split("\n")[-1]))
        netless = self.container(user, options, contained, True, NETLESS)
        said = netless.pop("")[1].strip().split("\n")[-1]
        for name in NETLESS:
            results[name + "+net"] = netless.get(name, ("none", said))
        return results, message


def make_images(coffer, attempt, folder):
    """An encrypted image for coffer, a plain one for others, and the tree; set-uid root in it a
    program, and one with capabilities."""
    tree = folder + "/tree"
    for part in ("bin", "etc", "mnt", "rw", "ro", "cover", "proc", "sys", "dev", "tmp", "run", "root", "home/coffer-test",
                 "home/coffer-alone", "var/tmp"):
        os.makedirs(tree + "/" + part)
    shutil.copy("/bin/busybox", tree + "/bin/busybox")
    os.symlink("busybox", tree + "/bin/sh")
    for name in ("attempt", "set-uid", "capable"):
        shutil.copy(attempt, tree + "/bin/" + name)
        os.chmod(tree + "/bin/" + name, 0o6755 if name == "set-uid" else 0o755)
    os.setxattr(tree + "/bin/capable", "security.capability",
                b"\1\0\0\2" + (1 << 21).to_bytes(4, "little") + bytes(12))  # CAP_SYS_ADMIN, effective
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("marker", "as it was\n"),
                       ("hosts", ""), ("resolv.conf", ""), ("localtime", "")):
        with open(tree + "/etc/" + name, "w") as out:
            out.write(text)
    os.symlink("/proc/1/root/etc/shadow", tree + "/way-out")
    os.symlink("../../../../../../etc/shadow", tree + "/way-up")
    def run(*words):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    run("openssl", "genrsa", "-traditional", "-out", "key.pem", "2048")
    run("openssl", "rsa", "-in", "key.pem", "-RSAPublicKey_out", "-out", "public.pem")
    os.chmod(folder + "/key.pem", 0o644)
    run(coffer, "-q", "build", "--encryption=gocryptfs", "--pem-path=public.pem", "image.sif", "tree")
    run(coffer, "-q", "build", "plain.sif", "tree")
    os.chmod(folder + "/image.sif", 0o644)
    os.chmod(folder + "/plain.sif", 0o644)
