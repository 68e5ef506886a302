//! Records that are small and claim much: what is made of them stays a multiple of their size.

#[path = "../fuzz/src/builder.rs"]
#[allow(dead_code)]
mod builder;
#[path = "../fuzz/src/memory.rs"]
mod memory;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hep_io::root::RootFile;
use hep_io::ttree::Tree;
use hep_io::{EntryReader, Result};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// A class's part of an object, behind the count of its bytes and its version.
fn part(version: u16, body: &[u8]) -> Vec<u8> {
    let count = 0x4000_0000 | (body.len() as u32 + 2);
    [&count.to_be_bytes()[..], &version.to_be_bytes(), body].concat()
}

fn text(text: &[u8]) -> Vec<u8> {
    match u8::try_from(text.len()) {
        Ok(length) if length < 255 => [&[length], text].concat(),
        _ => [&[255][..], &(text.len() as u32).to_be_bytes(), text].concat(),
    }
}

/// A `TObject`: version, id and bits.
const OBJECT: [u8; 10] = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

fn named(name: &[u8], title: &[u8]) -> Vec<u8> {
    part(1, &[&OBJECT[..], &text(name), &text(title)].concat())
}

/// A slot of an array: an object behind the name of its class.
fn slot(class: &[u8], object: &[u8]) -> Vec<u8> {
    let count = 0x4000_0000 | (4 + class.len() as u32 + 1 + object.len() as u32);
    [&count.to_be_bytes()[..], &[0xFF; 4], class, &[0], object].concat()
}

fn array(slots: &[Vec<u8>]) -> Vec<u8> {
    let head = [&OBJECT[..], &text(b""), &(slots.len() as u32).to_be_bytes(), &[0; 4]].concat();
    part(3, &[head, slots.concat()].concat())
}

/// A `TBranch` of version 6 without baskets.
fn branch(name: &[u8], branches: &[Vec<u8>], leaves: &[Vec<u8>]) -> Vec<u8> {
    let members = [&[0; 28][..], &0_f64.to_be_bytes(), &[0; 16]].concat();
    let arrays = [array(branches), array(leaves), array(&[])].concat();
    part(6, &[named(name, b""), members, arrays, vec![0; 4]].concat())
}

/// A `TLeafI` of one value.
fn leaf(name: &[u8], title: &[u8]) -> Vec<u8> {
    let members = [&1_u32.to_be_bytes()[..], &4_u32.to_be_bytes(), &[0; 6], &[0; 4]].concat();
    part(1, &[part(2, &[named(name, title), members].concat()), vec![0; 8]].concat())
}

/// A file with a `TTree` of version 16 with such branches, and the length of its record.
fn tree(branches: &[Vec<u8>]) -> (Arc<RootFile>, usize) {
    let attributes = part(1, &[]).repeat(3);
    let record = part(16, &[named(b"t", b""), attributes, vec![0; 92], array(branches)].concat());
    (builder::open(builder::file_of("TTree", "t", &record)).unwrap(), record.len())
}

/// Memory is counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the tree within 64 times the memory of its record, and 4 MiB more.
fn open((file, length): (Arc<RootFile>, usize)) -> Result<Tree> {
    let (tree, taken) = memory::peak(|| Tree::open(&file, "t"));
    assert!(taken < 64 * length + (4 << 20), "{taken} bytes for a record of {length}");
    tree
}

fn message<T>(answer: Result<T>) -> String {
    answer.err().expect("it should have been refused").to_string()
}

#[test]
fn a_tree_of_sane_size_is_read() {
    let _alone = alone();
    let inner = slot(b"TBranch", &branch(b"b", &[], &[slot(b"TLeafI", &leaf(b"b", b"b"))]));
    let tree = open(tree(&[slot(b"TBranch", &branch(b"a", &[inner], &[]))])).unwrap();
    assert_eq!(tree.column_names(), ["a/b"]);
    assert_eq!(tree.column("a/b").unwrap().type_name, "Int_t");
    assert_eq!(tree.column("b").unwrap().type_name, "Int_t");
}

#[test]
fn the_name_of_a_branch_is_not_multiplied_by_its_sub_branches() {
    let _alone = alone();
    let children: Vec<_> = (0..5000).map(|_| slot(b"TBranch", &branch(b"b", &[], &[]))).collect();
    let parent = branch(&[b'a'; 300_000], &children, &[]);
    let error = message(open(tree(&[slot(b"TBranch", &parent)])));
    assert!(error.contains("its sub-branches have too long names"), "{error}");
}

#[test]
fn many_branches_of_one_name_are_numbered() {
    let _alone = alone();
    let branches = vec![slot(b"TBranch", &branch(b"x", &[], &[])); 100_000];
    let tree = open(tree(&branches)).unwrap();
    let names = tree.column_names();
    assert_eq!(names[..3], ["x", "x#2", "x#3"]);
    assert_eq!(names[99_999], "x#100000");
}

#[test]
fn a_name_with_a_number_is_not_given_twice() {
    let _alone = alone();
    let branches = [&b"x#2"[..], b"x", b"x"].map(|name| slot(b"TBranch", &branch(name, &[], &[])));
    assert_eq!(open(tree(&branches)).unwrap().column_names(), ["x#2", "x", "x#3"]);
}

#[test]
fn the_name_of_a_class_is_bounded() {
    let _alone = alone();
    let class = [b'c'; 5000];
    let error = message(open(tree(&[slot(&class, &branch(b"x", &[], &[]))])));
    assert!(error.contains("a name has 5000 bytes"), "{error}");
}

#[test]
fn a_leaf_is_one_of_a_branch_only_once() {
    let _alone = alone();
    // References say where in the record the leaf lies, and count from before the key.
    let long = slot(b"TLeafI", &leaf(b"l", b"l"));
    let lone = tree(&[slot(b"TBranch", &branch(b"x", &[], std::slice::from_ref(&long)))]);
    let key = lone.0.find("t").unwrap();
    let record = lone.0.object(&key).unwrap();
    let place = record.data.windows(long.len()).position(|window| window == long).unwrap();
    // An array of more slots is as long before its first.
    let reference = (place as u32 + 2 + record.key_length as u32).to_be_bytes().to_vec();
    let leaves: Vec<_> = [long].into_iter().chain(vec![reference; 100_000]).collect();
    let tree = open(tree(&[slot(b"TBranch", &branch(b"x", &[], &leaves))])).unwrap();
    let (error, taken) = memory::peak(|| message(tree.column("x")));
    assert!(error.contains("a leaf is there twice"), "{error}");
    assert!(taken < 4 << 20, "{taken}");
}

#[test]
fn a_leaf_has_no_more_dimensions_than_the_stack_bears() {
    let _alone = alone();
    let title = [&b"l"[..], &b"[1]".repeat(200_000)].concat();
    let leaf = slot(b"TLeafI", &leaf(b"l", &title));
    let tree = open(tree(&[slot(b"TBranch", &branch(b"x", &[], &[leaf]))])).unwrap();
    assert_eq!(tree.column("x").unwrap().type_name, "Int_t");
}

/// Thousands of directories whose lists of keys are the same thousands of keys.
#[test]
fn directories_do_not_share_their_keys() {
    const MANY: usize = 4000;
    let _alone = alone();
    let mut file = builder::file_of("TDirectory", "d", &[]);
    let key = |class: &str, at: usize, seek: usize| builder::key(class, &format!("{at:04}"), 30, 30, seek);
    let list = |file: &mut Vec<u8>, keys: &[Vec<u8>]| {
        let seek = file.len();
        let content = [&(keys.len() as u32).to_be_bytes()[..], &keys.concat()].concat();
        file.extend(builder::key("TDirectory", "", content.len(), content.len(), seek));
        file.extend(content);
        (seek, file.len() - seek)
    };
    let shared: Vec<_> = (0..MANY).map(|at| key("TNamed", at, 0)).collect();
    let (seek, length) = list(&mut file, &shared);
    let word = |n: usize| (n as u32).to_be_bytes().to_vec();
    let directory = [vec![0, 5], vec![0; 8], word(length), vec![0; 12], word(seek)].concat();
    let mut keys = Vec::new();
    for at in 0..MANY {
        keys.push(key("TDirectory", at, file.len()));
        file.extend(&keys[at]);
        file.extend(&directory);
    }
    let (seek, length) = list(&mut file, &keys);
    // The record of the top directory begins at byte 100.
    builder::point(&mut file, 110, length);
    builder::point(&mut file, 126, seek);
    let end = file.len();
    builder::point(&mut file, builder::END, end);
    let file = builder::open(file).unwrap();
    let (answer, taken) = memory::peak(|| file.walk());
    let error = message(answer);
    assert!(error.contains("directories share their keys"), "{error}");
    assert!(taken < 64 * end + (4 << 20), "{taken} bytes for a file of {end}");
}
