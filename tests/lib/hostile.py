# SPDX-License-Identifier: GPL-3.0-or-later
"""
Guests that are made to attack their editor, and what must hold for each:

- it ends in time, with little memory, by itself (no signal), and with a reason
  when it fails;
- what it says is printable, the report is valid JSON;
- an image that was not injected is as it was, to the byte; one that was has a
  clean filesystem, and the undo log gives it back;
- nothing of the host is touched: a sentinel directory to which the traps lead
  is watched (inotify) for any use, the temporary directory is empty at the end,
  and nothing new lies beside the image.

A trap is one call of trap(); see hostile_linux.py.  To be imported.
"""
import argparse
import ctypes
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import threading

import tinyguest

# A program that was built with sanitizers takes more of both.
SCALE = int(os.environ.get("FY_HOSTILE_SCALE", "1"))
NIC = ["--nic", "enp0s5=52:54:00:00:00:01"]
HUGE = 1 << 40
TRAPS = []


class Failed(Exception):
    pass


class Trap:
    """
    change   what is done to the tree (tinyguest's) before it is packed
    want     done: injected; untouched: a success that changes nothing;
             refused: an error; any
    says     a regular expression that report or error match
    esp      what fills the tree of an ESP; then there is one
    post     what is done to the image
    check    called with a Run at the end
    make     makes the whole image instead
    full     not in the quick run
    """
    fields = dict(change=None, want="any", says=None, esp=None, post=None,
                  check=None, make=None, full=False, seconds=20, rss=300,
                  size=12 * tinyguest.MIB, arguments=NIC, options=())

    def __init__(self, name, change, want, says, more):
        self.name = name
        for k, v in self.fields.items():
            setattr(self, k, more.pop(k, v))
        assert not more, more
        self.change, self.want, self.says = change, want, says


def trap(name, change=None, want="any", says=None, **more):
    assert want in ("done", "untouched", "refused", "any")
    assert name not in [t.name for t in TRAPS], name
    TRAPS.append(Trap(name, change, want, says, more))


# --- what is done to a tree -----------------------------------------------------

class Sentinel:
    """What traps lead to; its path is known before it is there."""
    path = None


def _clear(root, path):
    full = os.path.join(os.fsencode(root), os.fsencode(path))
    if os.path.isdir(full) and not os.path.islink(full):
        shutil.rmtree(full)
    elif os.path.lexists(full):
        os.unlink(full)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def link(path, target):
    """'SENTINEL' in the target is that directory of the host."""
    def do(root):
        os.symlink(os.fsencode(target.replace("SENTINEL", Sentinel.path)),
                   _clear(root, path))
    return do


def text(path, data):
    """'data' may be a function that makes it, from the tree."""
    return lambda root: tinyguest.put(root, path, data(root) if callable(data)
                                      else data)


def gone(path):
    return lambda root: _clear(root, path) and None


def kind(path, what):
    """Something else than a file (or than a directory) there."""
    def do(root):
        full = _clear(root, path)
        if what == "dir":
            os.makedirs(full + b"/in/it")
        elif what == "huge":
            with open(full, "wb") as f:
                f.truncate(HUGE)
        elif what == "sentinel":
            os.symlink(os.path.join(Sentinel.path, os.path.basename(path)),
                       full)
        elif what == "self":
            os.symlink(os.path.basename(path), full)
        elif what == "empty":
            open(full, "wb").close()
        else:
            mode, device = {"fifo": (stat.S_IFIFO, 0),
                            "sock": (stat.S_IFSOCK, 0),
                            "chr": (stat.S_IFCHR, os.makedev(1, 5)),
                            "blk": (stat.S_IFBLK, os.makedev(8, 0))}[what]
            os.mknod(full, mode | 0o644, device)
    return do


def seq(*changes):
    def do(root):
        for c in changes:
            c(root)
    return do


# --- what is done to an image ---------------------------------------------------

def debugfs(image, *commands, offset=tinyguest.MIB):
    script = image + ".debugfs"
    with open(script, "w") as f:
        f.write("\n".join(commands) + "\n")
    r = subprocess.run(["debugfs", "-w", "-f", script,
                        "%s?offset=%d" % (image, offset)],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.unlink(script)
    return r.stdout.decode(errors="replace")


def crowd(path, count, call):
    """A directory with so many names (bytes of a number), all of them files: its
    blocks are written by hand, since one by one it would take minutes."""
    def do(image):
        names = [call(i) for i in range(count)]
        base = image + ".crowd"
        blocks, block, inodes = bytearray(), bytearray(), []
        for i in range(len(names) // 50000 + 1):
            with open(base + str(i), "wb") as f:
                f.write(b"root=/dev/sda1\n")
            debugfs(image, "write %s%d /crowd%d" % (base, i, i))
            os.unlink(base + str(i))
            m = re.search(r"Inode: (\d+)", debugfs(image, "stat /crowd%d" % i))
            inodes.append(int(m.group(1)))

        def flush():
            at = flush.last
            struct.pack_into("<H", block, at + 4, 1024 - at)
            blocks.extend(block.ljust(1024, b"\0"))
        entries = [(2, b".", 2), (2, b"..", 2)]
        entries += [(inodes[i // 50000], n, 1) for i, n in enumerate(names)]
        flush.last = 0
        for ino, name, ftype in entries:
            size = 8 + len(name) + 3 & ~3
            if len(block) + size > 1024:
                flush()
                block.clear()
            flush.last = len(block)
            block.extend(struct.pack("<IHBB", ino, size, len(name), ftype) +
                         name.ljust(size - 8, b"\0"))
        flush()
        with open(base, "wb") as f:
            f.write(blocks)
        debugfs(image, "write %s %s" % (base, path),
                "sif %s mode 040755" % path)
        os.unlink(base)
        subprocess.run(["e2fsck", "-fy", "%s?offset=%d" % (
            image, tinyguest.MIB)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
    return do


# --- running --------------------------------------------------------------------

class Watch:
    """Whether anything below a directory is used."""
    IN_ALL = 0xfff

    def __init__(self, top):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.names = {}
        for d, _, files in os.walk(top):
            for p in [d] + [os.path.join(d, f) for f in files]:
                w = self.libc.inotify_add_watch(self.fd, os.fsencode(p),
                                                self.IN_ALL)
                if w < 0:
                    raise OSError(ctypes.get_errno(), "inotify")
                self.names[w] = p

    def seen(self):
        """The paths, and forget them."""
        found = set()
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                w, _, _, n = struct.unpack_from("<iIII", data, at)
                found.add(self.names.get(w, "?"))
                at += 16 + n


PRINTABLE = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e"
                       r"\u2066-\u2069]*\Z")


def check_printable(data, what):
    try:
        s = data.decode()
    except UnicodeDecodeError:
        raise Failed("%s is not UTF-8" % what)
    if not PRINTABLE.match(s):
        bad = [c for c in s if not PRINTABLE.match(c)]
        raise Failed("%s has %s" % (what, ascii("".join(bad[:20]))))
    return s


def content(path):
    with open(path, "rb") as f:
        return f.read()


class Spawner:
    """A process that starts others: what those are said to have used is never
    less than what the one that started them did, and that makes images."""

    def __init__(self):
        self.here, there = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.here.close()
                self.serve(there.makefile("rw"))
            finally:
                os._exit(0)
        there.close()
        self.file = self.here.makefile("rw")

    def serve(self, file):
        for line in file:
            o = json.loads(line)
            with open(o["out"], "wb") as out, open(o["err"], "wb") as err:
                p = subprocess.Popen(
                    o["argv"], stdout=out, stderr=err, cwd=o["cwd"],
                    stdin=subprocess.DEVNULL, start_new_session=True,
                    env=dict(os.environ, TMPDIR=o["tmp"]))
            late = threading.Timer(o["seconds"], os.killpg, (p.pid, 9))
            late.start()
            _, status, use = os.wait4(p.pid, 0)
            late.cancel()
            p.returncode = 0
            print(json.dumps([status, use.ru_utime + use.ru_stime,
                              use.ru_maxrss]), file=file, flush=True)

    def run(self, **o):
        """Status (of wait), seconds of processor time, KiB of memory."""
        print(json.dumps(o), file=self.file, flush=True)
        return json.loads(self.file.readline())


class Run:
    def __init__(self, v2v, top):
        self.spawner = Spawner()
        self.v2v, self.top = v2v, top
        self.box = os.path.join(top, "box")
        self.tmp = os.path.join(top, "tmp")
        self.sentinel = os.path.join(top, "sentinel")
        Sentinel.path = self.sentinel
        os.makedirs(self.tmp, exist_ok=True)
        self.make_sentinel()
        self.watch = Watch(self.sentinel)
        self.slowest = self.largest = 0

    def make_sentinel(self):
        """What a followed link would find, and use."""
        shutil.rmtree(self.sentinel, ignore_errors=True)
        tinyguest.make_tree(self.sentinel)
        for name in ("fstab", "os-release", "grub.cfg", "interfaces"):
            tinyguest.put(self.sentinel, name, "/dev/sda1 / ext4 x 0 1\n"
                          "linux /x root=/dev/sda1\n")

    def command(self, *arguments):
        """Run it: status; out, err, seconds and rss tell the rest."""
        t = self.trap
        out, err = (os.path.join(self.top, n) for n in ("out", "err"))
        self.watch.seen()
        # Others may be at work on this machine, so processor time counts.
        status, self.seconds, self.rss = self.spawner.run(
            argv=[self.v2v, *arguments], out=out, err=err, cwd=self.box,
            tmp=self.tmp, seconds=10 * t.seconds * SCALE)
        if self.seconds > t.seconds * SCALE:
            raise Failed("it took %.1f s" % self.seconds)
        self.rss //= 1024
        self.slowest = max(self.slowest, self.seconds)
        self.largest = max(self.largest, self.rss)
        with open(out, "rb") as o, open(err, "rb") as e:
            self.out, self.err = o.read(), e.read()
        used = self.watch.seen()
        if used:
            raise Failed("the host's %s was used" % sorted(used))
        if os.listdir(self.tmp):
            raise Failed("left in TMPDIR: %s" % os.listdir(self.tmp))
        if sorted(os.listdir(self.top)) != self.listing:
            raise Failed("new beside it: %s" % os.listdir(self.top))
        if not set(os.listdir(self.box)) <= {"disk.img", "job", "vw"}:
            raise Failed("new: %s" % os.listdir(self.box))
        if os.WIFSIGNALED(status):
            raise Failed("signal %d: %s" % (os.WTERMSIG(status), self.err))
        if self.rss > t.rss * SCALE:
            raise Failed("%d MiB of memory" % self.rss)
        self.said = check_printable(self.err, "stderr")
        self.shown = check_printable(self.out, "stdout")
        status = os.WEXITSTATUS(status)
        if status not in (0, 1):
            raise Failed("status %d: %s" % (status, self.said[-2000:]))
        if status == 1 and not self.said.strip().split("\n")[-1].startswith(
                "v2v-server: "):
            raise Failed("no reason: %s" % self.said[-300:])
        return status

    def parse(self):
        try:
            return json.loads(self.shown, strict=True)
        except ValueError as e:
            raise Failed("the report is no JSON: %s" % e)

    def cat(self, path):
        """A file of the guest's, by debugfs."""
        return subprocess.run(
            ["debugfs", "-R", "cat " + path, "%s?offset=%d" % (
                self.image, tinyguest.MIB)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout

    def changed(self):
        return [c["path"] for c in self.report["changes"]]

    def make_image(self):
        t = self.trap
        shutil.rmtree(self.tmp)  # a killed one leaves something there
        os.mkdir(self.tmp)
        shutil.rmtree(self.box, ignore_errors=True)
        os.makedirs(self.box)
        self.image = os.path.join(self.box, "disk.img")
        if t.make is not None:
            t.make(self.image)
        else:
            esp = None
            if t.esp is not None:
                esp = self.image + ".esptree"
                os.makedirs(esp)
                t.esp(esp)
            tinyguest.make_guest(self.image, t.size, t.change, esp, t.options)
            if esp is not None:
                shutil.rmtree(esp)
        if t.post is not None:
            t.post(self.image)

    def fsck(self):
        with open(self.image, "rb") as f:
            f.seek(tinyguest.MIB + 1080)
            if f.read(2) != b"\x53\xef":
                return
        r = subprocess.run(["e2fsck", "-fn", "%s?offset=%d" % (
            self.image, tinyguest.MIB)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        if r.returncode != 0:
            raise Failed("e2fsck: %s" % r.stdout.decode(errors="replace"))

    def one(self, t):
        self.trap = t
        self.make_image()
        self.listing = sorted(set(os.listdir(self.top)) | {"out", "err"})
        before = content(self.image)
        if self.command("inspect", "--json", self.image) == 0:
            self.parse()
        if content(self.image) != before:
            raise Failed("inspecting wrote")
        self.command("inject", "--dry-run", *t.arguments, self.image)
        status = self.command("inject", "--json", "--job-dir", "job",
                              *t.arguments, self.image)
        now = content(self.image)
        self.report = None
        if status == 0:
            self.report = self.parse()
            if self.report["changes"]:
                self.fsck()
            elif now != before:
                raise Failed("changed without a word")
        elif now != before:
            raise Failed("an error, and the disk was written to")
        is_ = "refused" if status else ("done" if self.report["changes"]
                                        else "untouched")
        if t.want not in ("any", is_):
            raise Failed("%s, not %s: %s" % (is_, t.want, self.said[-2000:]))
        if t.says and not re.search(t.says, self.said + self.shown, re.S):
            raise Failed("does not say '%s': %s" % (t.says, self.said[-2000:]))
        if t.check is not None:
            t.check(self)
        if is_ == "done":
            self.command("inject", "--undo", "--job-dir", "job", self.image)
            if content(self.image) != before:
                raise Failed("the undo log does not give it back")
        return is_


def main(about):
    p = argparse.ArgumentParser(usage=about)
    p.add_argument("--full", action="store_true")
    p.add_argument("--part", default="1/1")
    p.add_argument("v2v")
    p.add_argument("directory")
    p.add_argument("names", nargs="*")
    o = p.parse_args()
    return run_all(o)


def run_all(o):
    run = Run(os.path.abspath(o.v2v), os.path.abspath(o.directory))
    part, of = map(int, o.part.split("/"))
    failed = n = 0
    traps = [t for t in TRAPS if (
        any(re.search(x, t.name) for x in o.names) if o.names
        else o.full or not t.full)]
    for t in traps[part - 1::of]:
        n += 1
        run.slowest = run.largest = 0
        try:
            is_ = run.one(t)
        except (Exception, SystemExit) as e:
            failed += 1
            print("FAILED %s: %s" % (t.name, e if isinstance(e, Failed) else
                                     repr(e)), flush=True)
            continue
        print("%-9s %5.2f s %4d MiB  %s" % (is_, run.slowest, run.largest,
                                            t.name), flush=True)
    print("%d guests, %d failed" % (n, failed))
    return 1 if failed or n == 0 else 0
