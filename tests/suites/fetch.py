# SPDX-License-Identifier: BSD-2-Clause
"""Where suites come from: Debian's packages, as the machine's own lists of sources have them, got
into the cache without installing anything. Source packages need deb-src, which a private
configuration of apt switches on."""
import glob
import os
import re
import shutil
import subprocess

from core import Missing


class Fetch:
    def __init__(self, cache):
        self.cache = cache
        self.at = os.path.join(cache, "packages")
        os.makedirs(self.at, exist_ok=True)

    def _run(self, cmd, cwd=None, env=None):
        with open(os.path.join(self.cache, "fetch.log"), "ab") as log:
            p = subprocess.run(cmd, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env={**os.environ, **(env or {})}, check=False)
        if p.returncode:
            raise Missing(f"{' '.join(cmd[:3])} did not work; see {log.name}")

    def package(self, name):
        """The files of a binary package, unpacked."""
        to = os.path.join(self.at, name)
        if not os.path.isdir(to):
            part = to + ".part"
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(part)
            self._run(["apt-get", "-q", "download", name], cwd=part)
            self._run(["dpkg", "-x", glob.glob(os.path.join(part, "*.deb"))[0], part])
            os.rename(part, to)
        return to

    def merged(self, name, dirs, base):
        """A directory that holds dirs, one over the other, as base. Its own path."""
        to = os.path.join(self.at, name)
        if not os.path.isdir(to):
            part = to + ".part"
            shutil.rmtree(part, ignore_errors=True)
            for d in dirs:
                shutil.copytree(d, os.path.join(part, base), dirs_exist_ok=True)
            os.rename(part, to)
        return to

    def _apt(self):
        """The environment for an apt that knows the sources of the machine's packages."""
        at = os.path.join(self.cache, "apt")
        conf = os.path.join(at, "conf")
        if not os.path.exists(conf):
            for d in ("lists/partial", "cache/archives/partial", "sources.d"):
                os.makedirs(os.path.join(at, d), exist_ok=True)
            for f in glob.glob("/etc/apt/sources.list.d/*.sources"):
                with open(f, encoding="utf-8") as src:
                    text = re.sub(r"(?m)^Types:.*", "Types: deb-src", src.read())
                with open(os.path.join(at, "sources.d", os.path.basename(f)), "w",
                          encoding="utf-8") as dst:
                    dst.write(text)
            for f in ["/etc/apt/sources.list"] + glob.glob("/etc/apt/sources.list.d/*.list"):
                if os.path.exists(f):
                    with open(f, encoding="utf-8") as src:
                        text = re.sub(r"(?m)^deb\s", "deb-src ", src.read())
                    with open(os.path.join(at, "sources.d", os.path.basename(f)), "w",
                              encoding="utf-8") as dst:
                        dst.write(text)
            with open(conf + ".part", "w", encoding="utf-8") as f:
                f.write(f'Dir::Etc::SourceList "/dev/null";\n'
                        f'Dir::Etc::SourceParts "{at}/sources.d";\n'
                        f'Dir::State::Lists "{at}/lists";\nDir::Cache "{at}/cache";\n'
                        'APT::Sandbox::User "root";\n')
            os.rename(conf + ".part", conf)
            self._run(["apt-get", "-q", "update"], env={"APT_CONFIG": conf})
        return {"APT_CONFIG": conf}

    @staticmethod
    def _note_version(part, end):
        name = os.path.basename(glob.glob(os.path.join(part, "*" + end))[0])
        with open(os.path.join(part, "version"), "w", encoding="utf-8") as f:
            f.write(name.replace(".orig", "").rsplit(".tar.", 1)[0].removesuffix(".dsc"))

    def source(self, name):
        """The tree of a source package, patched as Debian builds it."""
        to = os.path.join(self.at, "src-" + name)
        if not os.path.isdir(to):
            part = to + ".part"
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(part)
            self._run(["apt-get", "-qq", "source", name], cwd=part, env=self._apt())
            tree = [d for d in glob.glob(os.path.join(part, "*")) if os.path.isdir(d)]
            os.rename(tree[0], os.path.join(part, "tree"))
            self._note_version(part, ".dsc")
            os.rename(part, to)
        return os.path.join(to, "tree")

    def source_files(self, name, patterns):
        """Of a large source package only the upstream files that match patterns."""
        to = os.path.join(self.at, "src-" + name)
        if not os.path.isdir(to):
            part = to + ".part"
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(os.path.join(part, "tree"))
            self._run(["apt-get", "-qq", "source", "--download-only", "--tar-only", name],
                      cwd=part, env=self._apt())
            self._note_version(part, ".orig.tar.*")
            tar = glob.glob(os.path.join(part, "*.orig.tar.*"))[0]
            self._run(["tar", "-xf", tar, "-C", os.path.join(part, "tree"), "--strip-components=1",
                       "--wildcards"] + patterns)
            for f in glob.glob(os.path.join(part, "*.tar.*")):
                os.unlink(f)
            os.rename(part, to)
        return os.path.join(to, "tree")

    def built(self, name, steps, made):
        """A source package, built by steps (shell, in its tree) unless made is there. Its tree."""
        tree = self.source(name)
        if not os.path.exists(os.path.join(tree, made)):
            for step in steps:
                self._run(["sh", "-ec", step], cwd=tree)
            if not os.path.exists(os.path.join(tree, made)):
                raise Missing(f"building {name} made no {made}")
        return tree
