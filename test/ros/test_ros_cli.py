import signal

from ros_builders import Diagnosis

from reid_ros.cli import main


def test_reid_ros_node_runs_with_a_plain_file_and_ros_arguments_over_it(ros, tmp_path):
    file = tmp_path / 'node.yaml'
    file.write_text(
        'camera_names: [a]\nmodel: {detector: none, appearance: none}\n'
        'cameras: {a: {detections: table}}\n'
    )
    arguments = ['--config', str(file), '--ros-args', '-p', 'cameras.a.image_topic:=/porch']
    process = ros.process('-m', 'reid_ros', 'node', *arguments)
    diagnosis = Diagnosis(ros)
    ros.spin_until(lambda: diagnosis.value('a', 'topic') == '/porch')
    process.send_signal(signal.SIGINT)
    assert ros.finished(process) == 0


def test_reid_ros_node_refuses_a_misspelt_file_with_status_2(tmp_path, capsys):
    file = tmp_path / 'node.yaml'
    file.write_text('camera_nmes: [a]\n')
    assert main(['node', '--config', str(file)]) == 2
    assert "did you mean 'camera_names'?" in capsys.readouterr().err
