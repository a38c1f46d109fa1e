package dev.cairn.fuse;

import java.io.IOException;
import java.util.ArrayDeque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The pipes of a session: as many as READs have been answered at once, at most. Safe for many threads.
final class ReplyPipes {
    private static final Logger log = LoggerFactory.getLogger(FuseSession.class);
    /// Each takes 1 MiB of what the system gives pipes: 64 MiB by default for all that an ordinary user has.
    private static final int PIPES_MAX = 8;

    /// Guarded by this.
    private final ArrayDeque<ReplyPipe> idle = new ArrayDeque<>();
    private int open;
    private boolean noMore;

    /// An empty pipe that holds a reply of so many bytes from so many places of the device, to be given back.
    ///
    /// @return null when there is none
    ReplyPipe take(long bytes, int places) {
        synchronized (this) {
            var pipe = idle.peekLast();
            if (pipe != null) return pipe.holds(bytes, places) ? idle.pollLast() : null;
            if (noMore || open == PIPES_MAX) return null;
            open++;
        }
        ReplyPipe pipe = null;
        var why = "the system gives no more pipes";
        try {
            pipe = ReplyPipe.open();
        } catch (IOException e) {
            why += ": " + e.getMessage();
        } finally {
            // What the system does not give it is not asked for again and again.
            if (pipe == null) {
                forget();
                openNoMore(why);
            }
        }
        if (pipe == null || pipe.holds(bytes, places)) return pipe;
        give(pipe, true);
        return null;
    }

    /// @param empty whether all that was put into it has been taken
    void give(ReplyPipe pipe, boolean empty) {
        if (empty) {
            synchronized (this) {
                idle.addLast(pipe);
            }
        } else {
            pipe.close();
            forget();
        }
    }

    /// Those there are stay in use.
    synchronized void openNoMore(String why) {
        if (!noMore) log.warn("{}; large reads that find no pipe are copied once more", why);
        noMore = true;
    }

    private synchronized void forget() {
        open--;
    }

    /// When none is away any more.
    synchronized void close() {
        noMore = true;
        idle.forEach(ReplyPipe::close);
        idle.clear();
    }
}
