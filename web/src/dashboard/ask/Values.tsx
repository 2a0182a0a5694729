/** What is under the pointer: names and values. */
interface ValuesProps {
  title: string;
  values: { key: string; name: string; text: string }[];
}

export function Values({ title, values }: ValuesProps) {
  return (
    <div className="values">
      <strong>{title}</strong>
      <dl>
        {values.map(({ key, name, text }) => (
          <div key={key}>
            <dt className={`key ${key}`}>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
