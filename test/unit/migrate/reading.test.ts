import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { firstDocument } from '../../../src/migrate/first-document.ts';
import { Notes } from '../../../src/migrate/findings.ts';
import { matchesGlob } from '../../../src/migrate/glob.ts';
import { parseIni } from '../../../src/migrate/ini.ts';
import { parseClient, readClient } from '../../../src/migrate/parse.ts';
import { numbersOf } from '../../../src/migrate/ranges.ts';
import { expandTemplate } from '../../../src/migrate/template.ts';

suite("frp's INI", () => {
  // Each value as gopkg.in/ini.v1 has it, with the options that frp sets.
  test('has no comments behind values, takes quotes off, goes on after a backslash, and knows references', () => {
    const { sections } = parseIni(`[a]
plain = x # y ; z
colon : v
single = 'it is'
double = "it is"
inner = "a" and "b"
flag
long = one \\
  two
base = b
full = %(base)s/%(missing)s
`);
    const section = sections.get('a')!;
    assert.deepEqual(Object.fromEntries(section.keys().map((key) => [key, section.get(key)])), {
      plain: 'x # y ; z',
      colon: 'v',
      single: 'it is',
      double: 'it is',
      inner: '"a" and "b"',
      flag: 'true',
      long: 'one two',
      base: 'b',
      full: 'b/%(missing)s',
    });
  });

  test('joins sections of one name, and gives a section the keys of the one above it', () => {
    const { sections } = parseIni('[web]\nlocal_ip = 10.0.0.1\n[web.a]\nlocal_port = 80\n[web]\nlocal_port = 90\n');
    assert.equal(sections.get('web.a')!.get('local_ip'), '10.0.0.1');
    assert.equal(sections.get('web.a')!.get('local_port'), '80');
    assert.equal(sections.get('web')!.get('local_port'), '90');
  });

  test('is taken for INI without [common] by its name or by its form, and the lack is told', () => {
    const notes = new Notes();
    const { proxies } = parseClient('pool', '[ssh]\ntype = tcp\nlocal_port = 22\nremote_port = 6000\n', notes);
    assert.deepEqual(proxies, [{ name: 'ssh', type: 'tcp', localPort: 22, remotePort: 6000 }]);
    assert.deepEqual(
      notes.findings.map(({ field }) => field),
      ['[common]'],
    );
  });

  test('of a range with unequal numbers makes nothing, and tells it', () => {
    const notes = new Notes();
    parseClient('a.ini', '[common]\n[range:x]\nlocal_port = 1-3\nremote_port = 1-2\n', notes);
    assert.deepEqual(
      notes.findings.map(({ level, field }) => [level, field]),
      [['lost', '[range:x]']],
    );
  });
});

suite('templates', () => {
  test('expand ranges of numbers, pairs, and variables', () => {
    const expand = (text: string) => expandTemplate(text, { PORTS: '1-2,5', NAME: 'x' });
    assert.equal(expand('a {{ .Envs.NAME }} {{- /* nothing */ -}} b').text, 'a xb');
    assert.equal(expand('{{ range $v := parseNumberRange .Envs.PORTS }}<{{ $v }}>{{ end }}').text, '<1><2><5>');
    assert.equal(
      expand('{{ range $i, $v := parseNumberRangePair "1-2" "8-9" }}{{ $i }}:{{ $v.First }}-{{ $v.Second }} {{ end }}').text,
      '0:1-8 1:2-9 ',
    );
    assert.equal(expand('{{range parseNumberRange "3,4"}}{{.}}{{end}}').text, '34');
    assert.equal(expand('{{ index .Envs "NAME" }}').text, 'x');
  });

  test('name what is not set, and what is not known', () => {
    const result = expandTemplate('{{ .Envs.NONE }}\n{{ printf\n"%d" 1 }} {{ if .Envs.A }}x{{ else }}y{{ end }}', { A: '1' });
    assert.deepEqual(result, {
      text: '<no value>\n<no value> ',
      unset: ['NONE'],
      unknown: [
        { source: '{{ printf\n"%d" 1 }}', line: 2 },
        { source: '{{ if .Envs.A }}', line: 3 },
      ],
    });
  });

  test('that grow without bound, or are not closed, are refused', () => {
    const nested = '{{ range parseNumberRange "1-60000" }}'.repeat(3) + 'x' + '{{ end }}'.repeat(3);
    assert.throws(() => expandTemplate(nested, {}), RangeError);
    assert.throws(() => expandTemplate(nested.replace('x', ''), {}), RangeError);
    assert.throws(() => expandTemplate(`{{ range parseNumberRange "1-60000" }}${'x'.repeat(100)}{{ end }}`, {}), RangeError);
    assert.throws(() => expandTemplate('{{ range parseNumberRange "1" }}', {}), SyntaxError);
    assert.throws(() => expandTemplate('{{ .Envs.A', {}), SyntaxError);
    assert.throws(() => expandTemplate('{{ end }}', {}), SyntaxError);
    assert.throws(() => expandTemplate('{{ range parseNumberRange "1" }}'.repeat(60), {}), SyntaxError);
  });

  test('read no variable that the text does not name', () => {
    const asked: string[] = [];
    const environment = new Proxy(
      {},
      {
        getOwnPropertyDescriptor: (_target, name) => (asked.push(String(name)), undefined),
      },
    );
    expandTemplate('{{ .Envs.ONE }}', environment);
    assert.deepEqual(asked, ['ONE']);
  });
});

test('numbers are read as frp reads them, and no more of them than there are ports', () => {
  assert.deepEqual(numbersOf('6000-6002,6007'), [6000, 6001, 6002, 6007]);
  for (const bad of ['', 'a', '5-1', '1-2-3', '1-999999999', '0-65535,0-65535']) assert.equal(numbersOf(bad), undefined);
});

test('names are matched as by filepath.Match, whatever the number of stars', () => {
  for (const [name, pattern, matches] of [
    ['web.toml', '*.toml', true],
    ['web.ini', '*.toml', false],
    ['a1.ini', 'a[0-9].ini', true],
    ['ab.ini', 'a[^0-9].ini', true],
    ['a.ini', '?.ini', true],
    ['a*.ini', 'a\\*.ini', true],
    ['a', '[', false],
  ] as const)
    assert.equal(matchesGlob(name, pattern), matches, `${name} ${pattern}`);
  assert.equal(matchesGlob('a'.repeat(200), `${'*a'.repeat(100)}b`), false);
});

suite('a configuration', () => {
  test('that is not valid is refused with its line, and nothing of it is quoted', () => {
    for (const [file, text, line] of [
      ['a.toml', 'auth.token = "s3cr3t\n', /^a\.toml:1: not valid TOML/],
      ['a.toml', 'serverAddr = "x"\n[[proxies]]\ntype = tcp\n', /^a\.toml:3: not valid TOML/],
      ['a.json', '{"auth": {"token": "s3cr3t"', /^a\.json: not valid JSON$/],
      ['a.yaml', 'auth: {token: "s3cr3t"\n', /^a\.yaml:[12]: not valid YAML/],
      ['a.ini', '[common]\n= s3cr3t\n', /^a\.ini:2: not valid INI/],
    ] as const)
      assert.throws(
        () => parseClient(file, text, new Notes()),
        (error: Error) => line.test(error.message) && !error.message.includes('s3cr3t'),
        file,
      );
  });

  test('whose template is not expanded says which and where, also where the rest cannot be read, and quotes no text of it', () => {
    const notes = new Notes();
    readClient('a.toml', '\nuser = "{{ default "s3cr3t" .Envs.A }}"\n', { variables: {} }, notes);
    assert.deepEqual(
      notes.findings.map(({ level, field }) => [level, field]),
      [
        ['todo', '{{ .Envs.A }}'],
        ['lost', '{{ default "…" .Envs.A }} (line 2)'],
      ],
    );
    for (const [text, problem] of [
      [
        'serverAddr = "x"\nserverPort = {{ default "s3cr3t" .Envs.A }}\n',
        /^a\.toml:2: not valid TOML: .*its template .*: \{\{ default "…" \.Envs\.A \}\} \(line 2\)/i,
      ],
      ['serverPort = {{ .Envs.PORT }}\n', /^a\.toml:1: not valid TOML: .*the variable PORT/],
      ['\n\nuser = "{{ default "s3cr3t', /^a\.toml: \{\{ default "…" of its template \(line 3\) is not closed/],
      ['\n{{ range parseNumberRange "1" }}', /\(line 2\) has no \{\{ end \}\}/],
    ] as const)
      assert.throws(
        () => readClient('a.toml', text, { variables: {} }, new Notes()),
        (error: Error) => problem.test(error.message) && !error.message.includes('s3cr3t'),
        text,
      );
  });

  test('in YAML is its first document alone, as for frp, and what is behind it is told with its line', () => {
    const first = '# frpc\n---\nserverAddr: a.example.com\n';
    for (const [rest, line] of [
      ['---\nserverAddr: b.example.com\n', 5],
      ['...\n# end\n---\nserverAddr: "\n', 7],
      ['--- {serverAddr: b}\n', 4],
      ['---\n# nothing\n...\n', undefined],
      ['', undefined],
    ] as const) {
      const notes = new Notes();
      assert.deepEqual(parseClient('a.yaml', first + rest, notes).common, { serverAddr: 'a.example.com' });
      assert.deepEqual(
        notes.findings.map(({ level, message }) => [level, message.slice(0, 8)]),
        line === undefined ? [] : [['differs', `a.yaml:${line}`]],
        rest,
      );
    }
    const text = 'serverAddr: |\n  a\n ---\n  b\nuser: "x\n  --- y"\n';
    assert.deepEqual(firstDocument(text), { text });
  });

  test('names a list of proxies that has something else in it', () => {
    const notes = new Notes();
    assert.equal(parseClient('a.yaml', 'proxies: [ssh, {name: a}]\nvisitors: 5\n', notes).proxies.length, 1);
    assert.deepEqual(
      notes.findings.map(({ level, field }) => [level, field]),
      [
        ['lost', 'proxies'],
        ['lost', 'visitors'],
      ],
    );
  });

  test('cannot set the prototype of anything', () => {
    const text = '{"__proto__": {"polluted": true}, "proxies": [{"name": "a", "__proto__": {"polluted": true}}]}';
    parseClient('a.json', text, new Notes());
    parseClient('a.ini', '[common]\n[__proto__]\nplugin = x\nplugin_header___proto__ = y\n', new Notes());
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });
});
