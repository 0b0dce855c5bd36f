import { Head } from "../parts/basics.tsx";

export const Switches = () => <Head title="Switches" />;
export const SwitchPage = ({ name }: { name: string }) => <Head title={name} />;
