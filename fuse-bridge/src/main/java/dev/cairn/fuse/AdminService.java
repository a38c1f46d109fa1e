package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.AdminReply;
import dev.cairn.proto.AdminRequest;
import dev.cairn.proto.InoPath;
import dev.cairn.proto.InoPathReply;
import dev.cairn.proto.InodeIndex;
import dev.cairn.proto.MapExtents;
import dev.cairn.proto.MapExtentsReply;
import dev.cairn.proto.StatMoreReply;
import dev.cairn.proto.StatVolumeReply;
import dev.cairn.proto.WalkInodes;
import dev.cairn.proto.WalkInodesReply;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Tx;

/// The mount's side of [AdminIoctl]: each request is one attempt of a reading operation.
final class AdminService {
    private static final int ROWS_MAX = (AdminIoctl.MESSAGE_BYTES_MAX - 64) / AdminIoctl.WALK_ROW_BYTES_MAX;

    private static final int EXTENTS_MAX = (AdminIoctl.MESSAGE_BYTES_MAX - 64) / AdminIoctl.EXTENT_ROW_BYTES_MAX;

    private AdminService() {}

    static void ioctl(FuseRequest r, FuseSession session, Tx tx) {
        r.need(IOCTL_BYTES);
        // An unknown ioctl is ENOTTY to the caller; ENOSYS would make the kernel stop asking for good.
        if (r.argU32(IOCTL_COMMAND) != AdminIoctl.COMMAND) throw Errno.ENOTTY.failure();
        int inBytes = r.argU32(IOCTL_IN_SIZE), outBytes = r.argU32(IOCTL_OUT_SIZE);
        if (inBytes < 4 || inBytes > AdminIoctl.BUFFER_BYTES || outBytes != AdminIoctl.BUFFER_BYTES)
            throw Errno.EINVAL.failure();
        r.need(IOCTL_BYTES + inBytes);
        var message = AdminIoctl.read(r.in, r.argumentsAt() + IOCTL_BYTES, inBytes);
        if (message == null) throw Errno.EINVAL.failure();
        AdminRequest request;
        try {
            request = AdminRequest.parseFrom(message);
        } catch (InvalidProtocolBufferException e) {
            throw Errno.EPROTO.failure();
        }
        var reply = reply(request, r, session, tx).toByteArray();
        r.out.asSlice(r.bodyAt(), IOCTL_OUT_BYTES).fill((byte) 0);
        int bytes = AdminIoctl.write(reply, r.out, r.bodyAt() + IOCTL_OUT_BYTES);
        if (bytes < 0) throw Errno.EOVERFLOW.failure();
        r.bodyBytes = IOCTL_OUT_BYTES + bytes;
    }

    private static AdminReply reply(AdminRequest request, FuseRequest r, FuseSession session, Tx tx) {
        if (request.getProtocol() != AdminIoctl.PROTOCOL)
            return refused(Errno.EPROTO, "the mount speaks protocol %d, the request is of %d: cairn's versions differ"
                    .formatted(AdminIoctl.PROTOCOL, request.getProtocol()));
        try {
            return switch (request.getBodyCase()) {
                case WALK_INODES -> walk(request.getWalkInodes(), session, tx);
                case INO_PATH -> path(request.getInoPath(), r, session, tx);
                case STAT_MORE -> statMore(r, session, tx);
                case STAT_VOLUME -> AdminReply.newBuilder().setStatVolume(StatVolumeReply.newBuilder()
                        .setFsid(session.settings.fsid()).setRid(session.settings.rid())
                        .setCommittedSeq(tx.committedSeq()).setSpace(session.fileSystem.statfs(tx))).build();
                case MAP_EXTENTS -> extents(request.getMapExtents(), r, session, tx);
                case BODY_NOT_SET -> refused(Errno.ENOSYS, "the mount does not know this request");
            };
        } catch (Errno.Failure e) {
            return refused(e.errno(), e.errno().name());
        }
    }

    private static AdminReply refused(Errno errno, String why) {
        return AdminReply.newBuilder().setErrno(errno.number()).setWhy(why).build();
    }

    private static AdminReply walk(WalkInodes walk, FuseSession session, Tx tx) {
        if (walk.getIndex() != InodeIndex.META_SEQ && walk.getIndex() != InodeIndex.DATA_SEQ)
            return refused(Errno.EINVAL, "there is no such index");
        var rows = WalkInodesReply.newBuilder();
        session.fileSystem.walkInodes(tx, walk.getIndex() == InodeIndex.DATA_SEQ, walk.getFirstMajor(), walk.getFirstIno(),
                walk.getLastMajor(), walk.getLastIno(), (seq, ino) -> {
                    if (rows.getRowsCount() == ROWS_MAX) {
                        rows.setMore(true);
                        return false;
                    }
                    rows.addRows(WalkInodesReply.Row.newBuilder().setMajor(seq).setIno(ino));
                    return true;
                });
        return AdminReply.newBuilder().setWalkInodes(rows).build();
    }

    /// Paths lead through directories that the caller may not be able to search: for root alone. FUSE does not tell
    /// capabilities, so uid 0 stands for CAP_DAC_READ_SEARCH.
    private static AdminReply path(InoPath asked, FuseRequest r, FuseSession session, Tx tx) {
        if (r.uid != 0) return refused(Errno.EPERM, "only root may ask for the paths of an inode");
        var path = session.fileSystem.inoPath(tx, asked.getIno(), asked.getAfterDir(), asked.getAfterPos());
        var reply = InoPathReply.newBuilder();
        if (path != null) {
            if (path.bytes().length > AdminIoctl.MESSAGE_BYTES_MAX - 64)
                return refused(Errno.ENAMETOOLONG, "the path is " + path.bytes().length + " bytes long");
            reply.setFound(true).setPath(ByteString.copyFrom(path.bytes())).setDir(path.dir()).setPos(path.pos());
        }
        return AdminReply.newBuilder().setInoPath(reply).build();
    }

    private static AdminReply extents(MapExtents asked, FuseRequest r, FuseSession session, Tx tx) {
        var rows = MapExtentsReply.newBuilder();
        session.fileSystem.mapExtents(tx, r.node, asked.getFirstBlock(), (logical, physical, count, unwritten, offline) -> {
            if (rows.getRowsCount() == EXTENTS_MAX) {
                rows.setMore(true);
                return false;
            }
            rows.addRows(MapExtentsReply.Row.newBuilder().setLogical(logical).setPhysical(physical).setCount(count)
                    .setUnwritten(unwritten).setOffline(offline));
            return true;
        });
        return AdminReply.newBuilder().setMapExtents(rows).build();
    }

    private static AdminReply statMore(FuseRequest r, FuseSession session, Tx tx) {
        var inode = session.fileSystem.getattr(tx, r.node);
        return AdminReply.newBuilder().setStatMore(StatMoreReply.newBuilder().setIno(inode.ino).setMetaSeq(inode.metaSeq)
                .setDataSeq(inode.dataSeq).setDataVersion(inode.dataVersion).setOnlineBlocks(inode.onlineBlocks)
                .setOfflineBlocks(inode.offlineBlocks).setCrtimeSec(inode.crtimeSec).setCrtimeNsec(inode.crtimeNsec))
                .build();
    }
}
