/** A tar archive (POSIX ustar) of a few small files, for their owner only. */

const block = 512;

/** @param files texts by path; a path has at most 100 bytes */
export function tar(files: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(files).flatMap(([path, text]) => {
    const content = Buffer.from(text);
    return [header(path, content.length), content, Buffer.alloc((block - (content.length % block)) % block)];
  });
  return Buffer.concat([...entries, Buffer.alloc(2 * block)]);
}

function header(path: string, size: number): Buffer {
  const bytes = Buffer.alloc(block);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  const put = (text: string, at: number) => bytes.write(text, at, 'latin1');
  if (Buffer.byteLength(path) > 100) throw new Error(`the path ${path} is too long for an archive`);
  put(path, 0);
  put(octal(0o600, 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(size, 12), 124);
  put(octal(Math.floor(Date.now() / 1000), 12), 136);
  // The checksum counts its own field as spaces.
  put(`${' '.repeat(8)}0`, 148);
  put('ustar\u000000', 257);
  put(
    octal(
      bytes.reduce((sum, byte) => sum + byte, 0),
      7,
    ) + ' ',
    148,
  );
  return bytes;
}
