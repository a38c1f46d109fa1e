package dev.cairn.it;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.Architectures;
import org.junit.jupiter.api.Test;

/// Dependencies point one way, as section 2 of docs/architecture.md draws them.
class ModuleMapTest {
    @Test
    void modules_know_only_those_below_them() {
        var classes = new ClassFileImporter().withImportOption(new ImportOption.DoNotIncludeTests())
                .importPackages("dev.cairn");
        Architectures.layeredArchitecture().consideringOnlyDependenciesInLayers()
                .layer("proto").definedBy("dev.cairn.proto..")
                .layer("block").definedBy("dev.cairn.block..")
                .layer("allocator").definedBy("dev.cairn.allocator..")
                .layer("transaction").definedBy("dev.cairn.transaction..")
                .layer("filesystem").definedBy("dev.cairn.filesystem..")
                .layer("fuse").definedBy("dev.cairn.fuse..")
                .layer("quorum").definedBy("dev.cairn.quorum..")
                .layer("node").definedBy("dev.cairn.node..")
                .whereLayer("proto").mayNotAccessAnyLayer()
                .whereLayer("block").mayOnlyAccessLayers("proto")
                .whereLayer("allocator").mayOnlyAccessLayers("proto", "block")
                .whereLayer("transaction").mayOnlyAccessLayers("proto", "block", "allocator")
                .whereLayer("filesystem").mayOnlyAccessLayers("proto", "block", "allocator", "transaction")
                .whereLayer("fuse").mayOnlyAccessLayers("proto", "block", "allocator", "transaction", "filesystem")
                .whereLayer("quorum").mayOnlyAccessLayers("proto", "block", "allocator", "transaction")
                .check(classes);
    }
}
