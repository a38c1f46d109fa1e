package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Programs that people move archives and work with, on one mount: what they read back is what they wrote, metadata included.
@Timeout(300)
class ToolsTest {
    private static TestVolume volume;

    @BeforeAll
    static void make() throws IOException {
        volume = TestVolume.create("512M", "4G");
    }

    @AfterAll
    static void remove() {
        volume.close();
    }

    private static TestVolume.Ran inMount(String script) {
        return TestVolume.shell("cd '" + volume.mount + "'\n" + script).orFail();
    }

    // All that a copy could lose: links, holes, times, owners, modes, ACLs, extended attributes, capabilities, kinds of files.
    private static final String TREE = """
            mkdir -p %1$s/sub/empty; cd %1$s
            head -c 300000 /dev/urandom > random; ln random second-name; ln -s random symlink; ln -s /nowhere dangling
            truncate -s 40M holes; printf middle | dd of=holes bs=1 seek=20000000 conv=notrunc status=none
            mkfifo fifo; mknod null c 1 3; printf x > 'odd "name\\*'$'\\n''and more'
            printf old > old; touch -d '1931-02-03 04:05:06.789' old; printf future > future; touch -d '2391-01-01 00:00:00.000000001' future
            printf p > private; chmod 2640 private; chown 65501:65510 private; chmod 1777 sub/empty
            setfacl -m u:65501:rwx,g:65510:r random; setfacl -d -m u:65502:rx sub
            setfattr -n user.text -v 'a value' random; setfattr -n trusted.t -v secret sub; setfattr -n user.empty random
            printf prog > prog; setcap cap_net_raw+ep prog || setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 prog
            # rsync takes times within one second for the same: none of these is now.
            find . ! -name old ! -name future -exec touch -hd '2001-02-03 04:05:06.000000007' {} +
            """;
    // Everything about every file: kind, mode, owner, links, size, mtime, name, target; ACLs and attributes; contents.
    private static final String LISTING = """
            listing() {
                (cd "$1"
                 find . -printf '%y %m %U %G %n %s %T@ %p %l\\n' | sed 's/^d \\(\\S* \\S* \\S* \\S*\\) \\S*/d \\1 -/' | sort
                 find . ! -type l -print0 | sort -z | xargs -0 getfacl -Pn | grep -v '^$'
                 find . -print0 | sort -z | xargs -0 getfattr -hd -m - | grep -v '^$'
                 find . -type f -print0 | sort -z | xargs -0 sha256sum)
            }
            """;

    @Test
    void tar_cp_and_rsync_lose_nothing() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "owners, devices and trusted attributes are root's");
        inMount(LISTING + "(" + TREE.formatted("tree") + ")\n" + """
                listing tree > want
                tar --xattrs --xattrs-include='*' --acls --sparse --numeric-owner -cf tree.tar tree
                mkdir x; tar --xattrs --xattrs-include='*' --acls --numeric-owner -C x -xpf tree.tar; mv x/tree from-tar
                cp -a --sparse=always tree from-cp
                rsync -aHAXS --numeric-ids tree/ from-rsync/
                for copy in from-tar from-cp from-rsync; do listing $copy > got; diff want got; done
                # Holes stay holes, and two names of one file stay two names.
                for copy in tree from-tar from-cp from-rsync; do
                    [ $(stat -c %b $copy/holes) -le 64 ] || { echo "$copy/holes: $(stat -c %b $copy/holes) sectors"; exit 1; }
                    [ $copy/random -ef $copy/second-name ]
                done
                [ -z "$(rsync -aHAXSnic --numeric-ids --delete tree/ from-rsync/)" ]
                """);
        // The same after everything was forgotten, by a node that was killed.
        volume.sync();
        volume.kill(volume.pid());
        volume.up();
        inMount(LISTING + "for copy in from-tar from-cp from-rsync; do listing $copy > got; diff want got; done");
    }

    @Test
    void a_project_in_c_builds_with_make_j() {
        assumeTrue(TestVolume.shell("command -v make && command -v gcc || true").out().lines().count() == 2, "no make or gcc here");
        inMount("""
                mkdir c; cd c
                for i in $(seq 60); do
                    printf '#include <stdio.h>\\n#include "all.h"\\nint f%s(void) { char b[64]; return snprintf(b, sizeof b, "%%d", %s); }\\n' $i $i > f$i.c
                    echo "int f$i(void);" >> all.h
                done
                { echo '#include "all.h"'; echo 'int main(void) { int n = 0;'; for i in $(seq 60); do echo "n += f$i();"; done; echo 'return n == 111 ? 0 : 1; }'; } > main.c
                printf 'O = $(patsubst %%.c,%%.o,$(wildcard *.c))\\nprog: $O\\n\\tgcc -o $@ $^\\n%%.o: %%.c all.h\\n\\tgcc -O1 -MD -c -o $@ $<\\n' > Makefile
                make -j4 >/dev/null
                ./prog
                [ "$(make -q prog; echo $?)" = 0 ]
                touch all.h
                [ "$(make -n | grep -c 'gcc -O1')" = 61 ]
                make -j4 >/dev/null; ./prog
                """);
    }

    @Test
    void an_nfs_server_exports_it() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "an NFS server is root's");
        DebianTool.assumeThere("ganesha.nfsd", "nfs-ganesha-vfs");
        DebianTool.assumeThere("rpcbind", "rpcbind");
        DebianTool.assumeThere("ip", "iproute2");
        DebianTool.assumeThere("nfs-cp", "libnfs-utils");
        var work = Files.createTempDirectory("cairn-it-nfs-");
        try {
            TestVolume.program(Duration.ofMinutes(1), "bash", "nfs.sh", volume.mount, work).orFail();
        } finally {
            TestVolume.deleteTree(work);
        }
    }

    /// Rows whose commit PostgreSQL acknowledged are there after the node was killed, and its own checks find nothing.
    @Test
    void postgresql_survives_a_killed_node() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "PostgreSQL does not run as root, and only root becomes another user");
        var bin = postgres();
        var sockets = Files.createTempDirectory("cairn-it-pg-");
        try {
            // Its own user has to get to the mount, and to the socket.
            TestVolume.shell("chmod 711 '%s'; chown postgres '%s'".formatted(volume.mount.getParent(), sockets)).orFail();
            var environment = Map.of("PATH", bin + ":" + System.getenv("PATH"), "PGDATA", volume.mount + "/pg", "PGHOST", sockets.toString(),
                    "PGPORT", "5432", "PGDATABASE", "postgres", "PGUSER", "postgres");
            inMount("install -d -o postgres -m 700 pg");
            as(environment, "cd /; initdb -k -A trust >/dev/null; " + START);
            as(environment, "psql -qc 'create table acknowledged (n bigint primary key, filler text)'; pgbench -i -s 1 -q postgres 2>/dev/null");
            // Half a second after the first row everything dies. The rows are acknowledged one by one.
            var writer = new ProcessBuilder("su", "postgres", "-c", "cd /; " + exports(environment)
                    + "pgbench -c 2 -T 60 postgres >/dev/null 2>&1 & i=0; while i=$((i+1)); psql -qc \"insert into acknowledged values ($i, repeat('x', 3000))\"; do echo $i; done; wait")
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            long acknowledged = lastAcknowledgedBeforeKill(writer);
            TestVolume.shell("pkill -9 -u postgres -f 'postgres.*" + volume.mount + "' || true; pkill -9 -u postgres -P $(head -n 1 '" + sockets + "/.s.PGSQL.5432.lock') || true");
            writer.waitFor();
            volume.up();
            as(environment, "cd /; rm -f '" + sockets + "'/.s.*; " + START);
            assertThat(psql(environment, "select count(*) from acknowledged where n <= " + acknowledged)).isEqualTo(Long.toString(acknowledged));
            assertThat(psql(environment, "select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)"
                    + " and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)")).isEqualTo("t");
            as(environment, "pg_amcheck --install-missing --heapallindexed postgres; pg_ctl -w -m fast stop >/dev/null; pg_checksums -c >/dev/null");
        } finally {
            TestVolume.shell("pkill -9 -u postgres -f '" + volume.mount + "/pg' || true");
            TestVolume.deleteTree(sockets);
        }
    }

    /// A writer says each number when it is durable. After the twentieth the node is killed; the last one that it says.
    private static long lastAcknowledgedBeforeKill(Process writer) throws Exception {
        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(writer.getInputStream()));
        long acknowledged = 0;
        for (String line; acknowledged < 20 && (line = lines.readLine()) != null; ) acknowledged = Long.parseLong(line);
        assertThat(acknowledged).isEqualTo(20);
        volume.kill(volume.pid());
        for (String line; (line = lines.readLine()) != null; ) acknowledged = Long.parseLong(line);
        return acknowledged;
    }

    /// The same of SQLite, with a journal and with a log that its processes share by a mapping. Its `extra` syncs the directory, too,
    /// after it has deleted a journal: a transaction that it acknowledges before may be undone, on any file system that loses power.
    @Test
    void sqlite_survives_a_killed_node() throws Exception {
        DebianTool.assumeInstalled("sqlite3", "sqlite3");
        for (var mode : new String[] {"delete", "wal"}) {
            inMount("sqlite3 %1$s.db 'pragma journal_mode=%1$s; create table acknowledged (n integer primary key, filler text)' >/dev/null".formatted(mode));
            var writer = new ProcessBuilder("bash", "-c", """
                    cd '%s'
                    update() { while sqlite3 -cmd '.timeout 20000' -cmd 'pragma synchronous=extra' %2$s.db "update acknowledged set filler = 'y' || filler where n %% 3 = 0"; do :; done; }
                    update & update &
                    while i=$((i+1)); sqlite3 -cmd '.timeout 20000' -cmd 'pragma synchronous=extra' %2$s.db "insert into acknowledged values ($i, hex(randomblob(2000)))"; do echo $i; done
                    wait""".formatted(volume.mount, mode)).redirectError(ProcessBuilder.Redirect.DISCARD).start();
            long acknowledged = lastAcknowledgedBeforeKill(writer);
            writer.waitFor();
            volume.up();
            assertThat(inMount("sqlite3 %s.db 'pragma integrity_check; select count(*) from acknowledged where n <= %d'".formatted(mode, acknowledged)).out())
                    .as(mode).isEqualTo("ok\n" + acknowledged + "\n");
        }
    }

    /// Writes that are to be durable are: through the cache, past it, and when their program does not wait for each of them.
    @Test
    void synchronous_writes_survive_a_killed_node() throws Exception {
        DebianTool.assumeInstalled("fio", "fio");
        inMount("head -c 4M /dev/zero | tr '\\0' Z > want; for name in direct sync dsync direct-sync; do truncate -s 4M $name; done");
        volume.sync();
        // fio last: a sync of any file makes everything durable.
        inMount("for flags in sync dsync direct,sync; do dd if=want of=${flags/,/-} bs=256k oflag=$flags conv=notrunc status=none; done\n"
                + "fio --name=direct --filename=direct --size=4M --rw=write --bs=64k --direct=1 --sync=dsync --ioengine=libaio --iodepth=8"
                + " --buffer_pattern='\"Z\"' --minimal >/dev/null");
        volume.kill(volume.pid());
        volume.up();
        inMount("for name in direct sync dsync direct-sync; do cmp want $name; done");
    }

    private static final String START = "pg_ctl -w -l $PGDATA/log -o \"-k $PGHOST -c listen_addresses= -c shared_buffers=16MB\" start >/dev/null";

    private static Path postgres() throws IOException {
        DebianTool.assumeInstalled("psql", "postgresql");
        try (var versions = Files.list(Path.of("/usr/lib/postgresql"))) {
            return versions.map(version -> version.resolve("bin")).filter(bin -> Files.isExecutable(bin.resolve("initdb"))).findFirst().orElseThrow();
        }
    }

    private static String exports(Map<String, String> environment) {
        return environment.entrySet().stream().map(entry -> "export " + entry.getKey() + "='" + entry.getValue() + "'; ").collect(Collectors.joining());
    }

    private static TestVolume.Ran as(Map<String, String> environment, String script) {
        return TestVolume.run(Duration.ofSeconds(90), Map.of(), "su", "postgres", "-c", "set -e; " + exports(environment) + script).orFail();
    }

    private static String psql(Map<String, String> environment, String query) {
        return as(environment, "cd /; psql -qAtc \"" + query + "\"").out().strip();
    }
}
