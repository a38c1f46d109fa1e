/// The storage engine: all items of a volume in immutable sorted runs on the metadata device. Nothing here knows what
/// keys mean, what a transaction is, or who may read what.
///
/// Reading starts at [RunSet], one version of the manifest: it answers with what is in memory, and notes in [Needs] the
/// blocks it lacks; [BlockCache] fetches those and keeps them. Writing starts at [RunWriter] (a commit of any size) or
/// [InlineRun] (one so small that it travels in the manifest). [MergeRun] makes one run out of several.
/// [RunFormat] draws the bytes.
package dev.cairn.transaction.run;
