"""Downloads from a real server in a thread."""

import hashlib
import http.server
import io
import threading
from dataclasses import dataclass, field

import pytest

from reid_ros import pull as room
from reid_ros.pull import Bar, PullError, pull

BODY = bytes(range(256)) * 2000  # several blocks
SUM = hashlib.sha256(BODY).hexdigest()


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    body: bytes = BODY
    ranges: bool = True
    stop_after: int = 0  # close the connection after so many bytes of an answer
    stops: int = 0  # as many times
    status: list[int] = field(default_factory=list)  # answered before anything else
    length: bool = True
    asked: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        do = self.server.behaviour
        asked = self.headers.get('Range', '')
        do.asked.append(asked)
        if self.path == '/moved.onnx':
            self.send_response(302)
            self.send_header('Location', '/toy.onnx')
            self.end_headers()
            return
        if self.path != '/toy.onnx' or do.status:
            self.send_error(do.status.pop(0) if do.status else 404)
            return
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked and do.ranges else 0
        if start >= len(do.body) and asked:
            self.send_response(416)
            self.send_header('Content-Range', f'bytes */{len(do.body)}')
            self.end_headers()
            return
        self.send_response(206 if asked and do.ranges else 200)
        if asked and do.ranges:
            end = len(do.body) - 1
            self.send_header('Content-Range', f'bytes {start}-{end}/{len(do.body)}')
        if do.length:
            self.send_header('Content-Length', str(len(do.body) - start))
        self.end_headers()
        part = do.body[start:]
        if do.stops:
            do.stops -= 1
            part = part[: do.stop_after]
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(room, '_PAUSE_S', 0.001)
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    httpd = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    httpd.behaviour = Behaviour()
    httpd.url = f'http://127.0.0.1:{httpd.server_port}/toy.onnx'
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join(5)


@pytest.fixture
def target(tmp_path):
    return tmp_path / 'models' / 'toy.onnx'


def left(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_comes_whole_and_the_progress_is_told(server, target):
    seen = []
    pull(server.url, target, sha256=SUM, progress=lambda *pair: seen.append(pair))
    assert target.read_bytes() == BODY
    assert left(target) == ['toy.onnx']
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_what_is_here_is_not_sent_again(server, target):
    for _ in range(2):
        pull(server.url, target, sha256=SUM)
    assert server.behaviour.asked == ['']


def test_a_damaged_file_is_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(b'damaged')
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_an_interruption_is_continued_where_it_stopped(server, target):
    server.behaviour.stops, server.behaviour.stop_after = 2, 100_000
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY
    assert server.behaviour.asked == ['', 'bytes=100000-', 'bytes=200000-']


def test_a_later_call_goes_on_with_what_came_before(server, target):
    target.parent.mkdir()
    target.with_name('toy.onnx.part').write_bytes(BODY[:70_000])
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY
    assert server.behaviour.asked == ['bytes=70000-']


def test_a_complete_part_only_has_to_be_verified(server, target):
    target.parent.mkdir()
    target.with_name('toy.onnx.part').write_bytes(BODY)
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_part_longer_than_the_file_is_thrown_away(server, target):
    target.parent.mkdir()
    target.with_name('toy.onnx.part').write_bytes(BODY + b'more')
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_without_a_checksum_an_old_part_is_not_trusted(server, target):
    target.parent.mkdir()
    target.with_name('toy.onnx.part').write_bytes(b'of another version')
    pull(server.url, target)
    assert target.read_bytes() == BODY
    assert server.behaviour.asked == ['']


def test_a_server_that_cannot_continue_starts_again(server, target):
    server.behaviour.ranges = False
    server.behaviour.stops, server.behaviour.stop_after = 1, 100_000
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_server_that_tells_no_length_is_enough(server, target):
    server.behaviour.length = False
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_busy_server_is_asked_again(server, target):
    server.behaviour.status = [503, 429]
    pull(server.url, target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_redirection_is_followed(server, target):
    pull(server.url.replace('toy', 'moved'), target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_an_endless_interruption_ends_and_keeps_what_came(server, target):
    server.behaviour.stops, server.behaviour.stop_after = 99, 0
    target.parent.mkdir()
    target.with_name('toy.onnx.part').write_bytes(BODY[:1000])
    with pytest.raises(PullError, match='1000 bytes are here: run the command again to go on'):
        pull(server.url, target, sha256=SUM, tries=3)
    assert len(server.behaviour.asked) == 3
    assert left(target) == ['toy.onnx.part']


def test_another_file_than_expected_is_deleted(server, target):
    with pytest.raises(PullError, match=f'sha256 {SUM}, expected {"0" * 64}.*deleted'):
        pull(server.url, target, sha256='0' * 64)
    assert left(target) == []


def test_a_file_that_is_gone_is_told_at_once(server, target):
    with pytest.raises(PullError, match=r'answers 404 .*models pull --url'):
        pull(server.url.replace('toy', 'gone'), target, sha256=SUM)
    assert len(server.behaviour.asked) == 1
    assert not target.exists()


def test_a_web_page_is_no_model(server, target):
    server.behaviour.body = b'<!DOCTYPE html><html>please log in</html>'
    with pytest.raises(PullError, match='web page and no model'):
        pull(server.url, target)
    assert left(target) == []


def test_a_server_that_is_not_there_is_told(server, target):
    server.shutdown()
    server.server_close()
    with pytest.raises(PullError, match='refused; 0 bytes are here'):
        pull(server.url, target, sha256=SUM, tries=2)


@pytest.mark.parametrize('url', ['ftp://a/b.onnx', 'file:///etc/passwd', 'toy.onnx'])
def test_only_http_is_spoken(target, url):
    with pytest.raises(PullError, match='no http or https address'):
        pull(url, target)


def test_a_folder_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(PullError, match=str(tmp_path / 'file')):
        pull(server.url, tmp_path / 'file' / 'toy.onnx', sha256=SUM)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_ends_full_on_a_terminal_and_is_silent_in_a_log():
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        bar = Bar(stream, width=10)
        bar(0, 4_000_000)
        bar(4_000_000, 4_000_000)
        bar.close()
    assert terminal.getvalue().endswith('[##########] 100% 4.0 of 4.0 MB \n')
    assert log.getvalue() == ''
