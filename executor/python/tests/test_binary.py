import errno
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

import support
from hep_run.node.binary import Cache, hash_of, places


class Caches(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.content = Path(shutil.which("true")).read_bytes()
        source = self.folder / "source"
        source.write_bytes(self.content)
        self.sha = hash_of(source)
        self.fetched = 0

    def cache(self, *folders: Path) -> Cache:
        def fetch(sha: str) -> bytes:
            self.assertEqual(sha, self.sha)
            self.fetched += 1
            return self.content

        def attempt(binary):
            subprocess.run([binary.path], check=True, pass_fds=binary.descriptors)

        return Cache(list(folders) or [self.folder / "cache"], fetch, attempt)

    def test_it_is_fetched_once_and_is_ours_alone(self):
        first, second = self.cache().get(self.sha), self.cache().get(self.sha)
        self.assertEqual((first.path, self.fetched), (second.path, 1))
        self.assertEqual(stat.S_IMODE(os.stat(first.path).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "cache").st_mode), 0o700)

    def test_many_at_once_fetch_it_once(self):
        threads = [threading.Thread(target=lambda: self.cache().get(self.sha)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.fetched, 1)

    def test_another_content_is_replaced(self):
        path = Path(self.cache().get(self.sha).path)
        path.write_bytes(self.content[:-1] + b"?")
        self.assertEqual(Path(self.cache().get(self.sha).path).read_bytes(), self.content)
        self.assertEqual(self.fetched, 2)

    def test_a_file_that_others_may_change_is_replaced(self):
        path = Path(self.cache().get(self.sha).path)
        path.chmod(0o777)
        self.cache().get(self.sha)
        self.assertEqual((self.fetched, stat.S_IMODE(path.stat().st_mode)), (2, 0o700))

    def test_a_link_is_replaced(self):
        path = Path(self.cache().get(self.sha).path)
        path.unlink()
        path.symlink_to(self.folder / "source")
        self.cache().get(self.sha)
        self.assertFalse(path.is_symlink())

    def test_a_folder_of_others_is_passed_over(self):
        theirs = self.folder / "theirs"
        theirs.mkdir(mode=0o700)
        theirs.chmod(0o777)
        (self.folder / "link").symlink_to(self.folder)
        (self.folder / "file").write_text("")
        folders = [theirs, self.folder / "link", self.folder / "file", self.folder / "ours"]
        self.assertEqual(Path(self.cache(*folders).get(self.sha).path).parent.name, "ours")

    def test_without_a_folder_it_is_in_memory(self):
        (self.folder / "file").write_text("")
        binary = self.cache(self.folder / "file").get(self.sha)
        self.assertRegex(binary.path, "^/proc/self/fd/")

    def test_a_binary_in_memory_may_be_executed_where_that_has_to_be_said(self):
        flags = []
        create = os.memfd_create

        def old_kernel(name, flag):
            flags.append(flag)
            if flag & ~os.MFD_CLOEXEC:
                raise OSError(errno.EINVAL, "Invalid argument")
            return create(name, flag)

        (self.folder / "file").write_text("")
        with mock.patch("os.memfd_create", old_kernel):
            self.cache(self.folder / "file").get(self.sha)
        self.assertEqual(flags, [os.MFD_CLOEXEC | 0x10, os.MFD_CLOEXEC])

    def test_a_folder_that_cannot_be_written_is_not_one_where_nothing_is_executed(self):
        def denied(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        cache = self.cache()
        with mock.patch("hep_run.node.binary._store", denied), self.assertLogs("distributed.worker.hep_run") as log:
            cache.get(self.sha)
        self.assertIn("cache: Permission denied", log.output[0])
        attempt, cache = cache.attempt, self.cache()
        cache.attempt = lambda binary: attempt(binary) if binary.descriptors else denied()
        with self.assertLogs("distributed.worker.hep_run") as log:
            cache.get(self.sha)
        self.assertIn("cache: nothing may be executed there", log.output[0])

    def test_no_descriptor_is_left_of_what_is_not_in_memory_any_more(self):
        (self.folder / "file").write_text("")

        def opened():
            return sorted(os.listdir("/proc/self/fd"))

        def no_memory(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        before = opened()
        cache = self.cache(self.folder / "file")
        held = cache.get(self.sha)
        self.assertEqual(len(opened()), len(before) + 1)
        # Some other thread may just be starting it.
        del cache.known[self.sha]
        subprocess.run([held.path], check=True, pass_fds=held.descriptors)
        del held
        self.assertEqual(opened(), before)
        with mock.patch("os.write", no_memory), self.assertRaisesRegex(RuntimeError, "in memory: it is full"):
            cache.get(self.sha)
        self.assertEqual(opened(), before)
        cache.attempt = no_memory
        with self.assertRaises(RuntimeError):
            cache.get(self.sha)
        self.assertEqual(opened(), before)
        cache.fetch = no_memory
        with self.assertRaises(RuntimeError):
            cache.get(self.sha)
        self.assertEqual(opened(), before)

    def test_what_arrives_with_another_content_is_not_used(self):
        self.content = b"something else"
        with self.assertRaisesRegex(RuntimeError, "cannot be stored and executed here"):
            self.cache().get(self.sha)

    def test_what_this_machine_cannot_run_is_named(self):
        elf = bytearray(self.content)
        elf[18:20] = (0x15 if elf[18] != 0x15 else 0xB7).to_bytes(2, "little")
        self.content = bytes(elf)
        (self.folder / "source").write_bytes(self.content)
        self.sha = hash_of(self.folder / "source")
        with self.assertRaisesRegex(RuntimeError, "it is for ppc64le|it is for aarch64"):
            self.cache().get(self.sha)

    def test_folders_are_of_the_user(self):
        self.assertEqual(places("/somewhere", "/scratch"), [Path(f"/somewhere/hep-run-{os.getuid()}")])
        self.assertIn(Path(f"/scratch/hep-run-{os.getuid()}"), places(None, "/scratch"))
        self.assertTrue(support.WORKER.exists())


if __name__ == "__main__":
    unittest.main()
