/** How servers of different kinds read a path: decoded or not, with parameters or without, up to an encoded `?` or `#`, slashes of both kinds. */
export function readings(path: string): string[] {
  const decode = (text: string) => text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  const strip = (text: string) => text.replace(/;[^/]*/g, '');
  const cut = (text: string) => text.replace(/[?#].*/s, '');
  const resolve = (text: string) => {
    const kept: string[] = [];
    for (const segment of text.replaceAll('\\', '/').split('/'))
      if (segment === '..') kept.pop();
      else if (segment !== '' && segment !== '.') kept.push(segment);
    return `/${kept.join('/')}`;
  };
  const decoded = [path, decode(path), strip(path), strip(decode(path)), decode(strip(path))];
  return [...decoded, ...decoded.map(cut), ...decoded.map((text) => strip(cut(text)))].map(resolve);
}
