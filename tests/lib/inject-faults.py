#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An injection that is interrupted at its n-th write, for each n.

  inject-faults.py [OPTIONS] V2V PRELOAD DIRECTORY IMAGE [INJECT-ARGUMENT...]

PRELOAD is write-faults.c, built.  IMAGE is left as it is; all happens to a copy
in DIRECTORY.  Each n is tried with an error (EIO and ENOSPC in turn) and with
SIGKILL.  Whatever happened, the disk is either complete, or it is again as it
was when the undo log (if there is one) has been applied; and then the same
command gives the bytes of an undisturbed run.  Then the same for --undo.

  --program NAME   whose writes: v2v-server, qemu-nbd
  --format F       raw, qcow2 (compared by what qemu-img reads)
  --every K        only each K-th n, from 1
  --kinds LIST     error,kill,undo (all)
  --without P      without.c, built: a confined qemu-nbd can't be disturbed
  --time SECONDS   where the program's clock stands
"""
import argparse
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36
CHUNK = 65536


def fail(text):
    sys.exit("inject-faults: FAILED: " + text)


class Case:
    def __init__(self, o):
        self.o = o
        self.disk = os.path.join(o.directory, "disk." + o.format)
        self.job = os.path.join(o.directory, "job")
        self.tmp = os.path.join(o.directory, "tmp")
        self.state = os.path.join(o.directory, "state")
        self.log = os.path.join(o.directory, "log")
        self.under = [o.without, "landlock"] if o.without else []
        os.makedirs(self.tmp, exist_ok=True)
        with open(o.image, "rb") as f:
            self.packed = f.read()
        self.reset(True)
        self.before = self.content()

    # --- the disk ---------------------------------------------------------

    def content(self):
        path = self.disk
        if self.o.format != "raw":
            path = os.path.join(self.o.directory, "content")
            subprocess.run(["qemu-img", "convert", "-f", self.o.format, "-O",
                            "raw", self.disk, path], check=True)
            r = subprocess.run(["qemu-img", "check", "-q", "-f",
                                self.o.format, self.disk],
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            if r.returncode not in (0, 3):  # 3: clusters that nothing uses
                fail("qemu-img check: status %d" % r.returncode)
        with open(path, "rb") as f:
            return f.read()

    def clear_tmp(self):
        """What a killed run has left there."""
        shutil.rmtree(self.tmp)
        os.mkdir(self.tmp)

    def reset(self, whole=False):
        """The disk as it was, and no job."""
        shutil.rmtree(self.job, ignore_errors=True)
        self.clear_tmp()
        if whole or self.o.format != "raw":
            with open(self.disk, "wb") as f:
                f.write(self.packed)
            return
        with open(self.disk, "r+b") as f:
            for at in range(0, len(self.packed), CHUNK):
                want = self.packed[at:at + CHUNK]
                f.seek(at)
                if f.read(CHUNK) != want:
                    f.seek(at)
                    f.write(want)

    # --- the program ------------------------------------------------------

    def run(self, *more, at=0, do="EIO"):
        """Its status and what it says; (count, function) of the faults."""
        with open(self.state, "wb") as f:
            f.write(bytes(64))
        env = dict(os.environ, TMPDIR=self.tmp, LD_PRELOAD=self.o.preload,
                   WRITE_FAULT_PROGRAM=self.o.program,
                   WRITE_FAULT_STATE=self.state, WRITE_FAULT_AT=str(at),
                   WRITE_FAULT_DO=do)
        if self.o.time is not None:
            env["WRITE_FAULT_TIME"] = self.o.time
        with open(self.log, "wb") as log:
            p = subprocess.Popen(
                [*self.under, self.o.v2v, "inject", "--quiet", "--format",
                 self.o.format, "--job-dir", self.job, *more, self.disk],
                env=env,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=log)
            try:
                status = p.wait(120)
            except subprocess.TimeoutExpired:
                p.kill()
                fail("it hangs at write %s (%s)" % (at, do))
        # Its children end with it, but not in the same moment.
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
        with open(self.state, "rb") as f:
            count, name = struct.unpack("<Q56s", f.read(64))
        with open(self.log, errors="replace") as f:
            self.said = f.read()
        return status, count, name.rstrip(b"\0").decode()

    def inject(self, **more):
        return self.run(*self.o.arguments, **more)

    def bad(self, why):
        fail("%s %s at %d of %d (%s) of %s: %s\n%s" % (
            self.what, self.do, self.n, self.total, self.name,
            self.o.program, why, self.said))

    # --- what is checked --------------------------------------------------

    def log_is_there(self):
        return os.path.exists(os.path.join(self.job, "undo.log"))

    def log_is_complete(self):
        """It has its trailer, the last 32 bytes, so it may have been applied."""
        try:
            with open(os.path.join(self.job, "undo.log"), "rb") as f:
                log = f.read()
        except FileNotFoundError:
            return False
        return len(log) > 32 and log[-32:-28] == b"FYUT" and \
            struct.unpack("<Q", log[-16:-8])[0] == len(log)

    def undo_cleanly(self):
        if self.log_is_there():
            if self.run("--undo")[0] != 0:
                self.bad("--undo fails")
        if self.content() != self.before:
            self.bad("the disk is not as it was")

    def must_be_complete(self):
        if self.content() != self.after:
            self.bad("the disk is not that of an undisturbed run")

    def again(self):
        if self.log_is_there() and not self.log_is_complete():
            if self.do != "kill":
                self.bad("a log that is cut was left")
            if self.content() != self.before:
                self.bad("a log that is cut was applied")
        elif self.log_is_there():
            now = self.content()
            if self.inject()[0] != 1 or "--undo" not in self.said:
                self.bad("the same command does not say what to do")
            if self.content() != now:
                self.bad("a refused command wrote")
            self.undo_cleanly()
        elif self.content() != self.before:
            self.bad("the disk is not as it was")
        if self.inject()[0] != 0:
            self.bad("the same command fails")
        self.must_be_complete()

    def check_end(self, status):
        """After a disturbed run (of either kind)."""
        if self.do == "kill" and self.name and \
                self.o.program == "v2v-server" and status == 0:
            self.bad("killed, and a success")
        if status not in (0, 1, 2, -signal.SIGKILL):
            self.bad("status %d" % status)
        if status > 0 and not self.said.startswith("v2v-server: "):
            self.bad("not a word")
        with open("/proc/self/mounts") as f:
            if self.o.directory in f.read():
                self.bad("a mount was left")
        if self.do != "kill" and "unlink" not in self.name and \
                "rmdir" not in self.name and os.listdir(self.tmp):
            self.bad("left in TMPDIR: %s" % os.listdir(self.tmp))

    def count(self, *arguments):
        status, count, _ = self.run(*arguments)
        if status != 0:
            fail("undisturbed: status %d\n%s" % (status, self.said))
        return count

    def loop_inject(self, do_of):
        kept = complete = 0
        ignored = set()
        for self.n in range(1, self.total + 1, self.o.every):
            self.do = do_of(self.n)
            self.reset()
            status, _, self.name = self.inject(at=self.n, do=self.do)
            if not self.name:
                self.bad("never reached")
            self.check_end(status)
            if status == 0:
                self.must_be_complete()
                complete += 1
                ignored.add(self.name)
                self.undo_cleanly()
            else:
                kept += 1
                self.again()
        # Only what was no more needed may fail without a word, and a file
        # without a name, for which there is another way.
        if self.o.program == "v2v-server" and \
                not ignored <= {"unlinkat", "rmdir", "unlink", "open64"}:
            self.bad("ignored: %s" % ignored)
        return "%d failed and %d complete of %d" % (kept, complete,
                                                    self.total)

    def loop_undo(self):
        self.reset()
        self.inject()
        saved = os.path.join(self.o.directory, "job.saved")
        shutil.rmtree(saved, ignore_errors=True)
        shutil.copytree(self.job, saved)
        with open(self.disk, "rb") as f:
            injected = f.read()
        self.total = self.count("--undo")
        tried = 0
        for self.n in range(1, self.total + 1, self.o.every):
            for self.do in ("EIO", "kill"):
                shutil.rmtree(self.job)
                shutil.copytree(saved, self.job)
                self.clear_tmp()
                with open(self.disk, "wb") as f:
                    f.write(injected)
                status, _, self.name = self.run("--undo", at=self.n,
                                                do=self.do)
                self.check_end(status)
                if status == 0 and self.content() != self.before:
                    self.bad("a success that it is not")
                self.undo_cleanly()
                tried += 1
        return "%d of %d" % (tried, self.total)

    def all(self):
        self.what, self.do, self.n, self.name = "inject", "", 0, ""
        self.total = self.count(*self.o.arguments)
        self.after = self.content()
        if self.after == self.before:
            fail("the injection changed nothing")
        if self.total < 5:
            fail("only %d writes to be disturbed" % self.total)
        kinds = self.o.kinds.split(",")
        if "error" in kinds:
            print("%s, errors: %s" % (self.o.program, self.loop_inject(
                lambda n: ("EIO", "ENOSPC")[n // self.o.every % 2])),
                flush=True)
        if "kill" in kinds:
            print("%s, kills: %s" % (self.o.program, self.loop_inject(
                lambda n: "kill")), flush=True)
        if "undo" in kinds:
            self.what = "undo"
            print("%s, undo: %s" % (self.o.program, self.loop_undo()),
                  flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--program", default="v2v-server")
    p.add_argument("--format", default="raw")
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--kinds", default="error,kill,undo")
    p.add_argument("--time")
    p.add_argument("--without")
    for name in ("v2v", "preload", "directory", "image"):
        p.add_argument(name)
    p.add_argument("arguments", nargs=argparse.REMAINDER)
    o = p.parse_args()
    # Bare names would be looked for elsewhere.
    o.preload = os.path.abspath(o.preload)
    o.directory = os.path.abspath(o.directory)
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        fail("prctl")
    Case(o).all()


main()
