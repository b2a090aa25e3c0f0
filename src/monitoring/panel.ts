/** Dashboards as values: what a panel asks and shows. Grafana's form of them is grafana.ts. */

export interface Query {
  expr: string;
  /** with Grafana's templates, such as {{backend}} */
  legend: string;
}

export interface Panel {
  title: string;
  description: string;
  /** of Grafana: reqps, s, percentunit, short, Bps, bytes, dateTimeFromNow */
  unit: string;
  queries: readonly Query[];
  /** default: lines over time */
  kind?: 'timeseries' | 'stat' | 'table';
  /** of 24; default 8 */
  width?: number;
  /** from zero to this, where that is known */
  max?: number;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  /** values that the reader chooses, by name, with the query of each */
  variables: readonly { name: string; query: string }[];
  rows: readonly Row[];
}

export const queriesOf = ({ rows }: Dashboard): Query[] => rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries));
