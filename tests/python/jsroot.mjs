// jsroot.mjs MODULE FILE: what JSROOT reads in the histograms of a file's directories, as JSON.
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [module, path] = process.argv.slice(2);
const { openFile } = await import(pathToFileURL(`${module}/modules/io.mjs`));
const bytes = await readFile(path);
const file = await openFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
// JSROOT keeps a string's bytes as they are and decodes them when it draws.
const utf8 = (text) => Buffer.from(text, 'latin1').toString('utf8');
const out = {};
for (const key of file.fKeys.filter((key) => key.fClassName.startsWith('TDirectory'))) {
  const directory = await file.readObject(key.fName);
  for (const { fName } of directory.fKeys) {
    const h = await file.readObject(`${key.fName}/${fName}`);
    const labels = h.fXaxis.fLabels ? h.fXaxis.fLabels.arr.map((label) => label.fString) : [];
    out[`${key.fName}/${fName}`] = [[...h.fArray], [...h.fSumw2], h.fEntries, labels, utf8(h.fXaxis.fTitle)];
  }
}
console.log(JSON.stringify(out));
