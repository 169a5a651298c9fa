"""Every row of the tables of docs/signals/ has tests that hold it, and they are there."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SIGNAL: Final = ROOT / "tests" / "unit" / "tuner" / "signal"
GRIDS, SOUNDS = "test_left_out_pictures_and_grids", "test_left_out_sounds_and_videos"

# Page and first cell of the row, to tests under tests/unit/tuner/signal that fail where it is no longer true.
HELD: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("array", "integers and floats of up to 64 bits, order of bytes and of axes"): (
        "test_arrays_by_numpy::test_an_array_is_what_numpy_reads",
        "test_formats::test_arrays_come_back_as_they_were",
        f"{GRIDS}::test_integers_up_to_2_to_the_53_are_kept",
        f"{GRIDS}::test_numbers_are_kept_in_single_precision_of_their_range",
    ),
    ("array", "bands of a TIFF, orientation"): ("test_tiff::test_a_page_of_numbers_is_an_array_of_its_bands",),
    ("array", "scale, offset, place and projection of a GeoTIFF"): (
        f"{GRIDS}::test_place_projection_and_scale_of_a_geotiff_are_not_kept",
    ),
    (
        "array",
        "samples that stand for no data (GDAL_NODATA), NaN, infinity, masked elements, also of arrays in a list and of "
        "dask",
    ): (
        "test_tiff::test_what_cannot_be_honoured_is_refused_by_name",
        f"{GRIDS}::test_samples_that_are_no_numbers_are_refused",
        "test_files_of_others::test_masked_samples_are_not_fitted",
    ),
    ("array", "truth values, complex numbers, records, pickles; white-is-zero floats"): (
        "test_arrays_by_numpy::test_what_is_no_number_is_refused",
        "test_formats::test_what_cannot_be_used_is_refused",
        "test_tiff::test_what_cannot_be_honoured_is_refused_by_name",
    ),
    ("audio", "integers of 8, 16, 24, 32 bits, floats of 32 and 64, sample rate, number of channels"): (
        "test_formats::test_integer_sounds_come_back_as_the_same_integers",
        "test_formats::test_floats_stereo_and_surround_are_kept",
        "test_sounds_by_ffmpeg::test_samples_and_rate_are_those_of_ffmpeg",
        f"{SOUNDS}::test_a_flac_has_24_bits_at_most_and_a_wav_what_there_was",
        f"{SOUNDS}::test_wide_samples_are_kept_to_24_bits",
    ),
    ("audio", "A-law, mu-law"): (f"{SOUNDS}::test_laws_of_telephones_become_16_bits",),
    (
        "audio",
        "a length that was left open (WAV from a pipe or after a crash: 0, 0x7ffff000, 0x80000000, all ones; FLAC: 0; "
        "RF64)",
    ): (
        "test_sounds::test_a_sound_from_a_pipe_is_the_samples_that_are_there",
        "test_sounds::test_a_flac_is_read_whole_whatever_it_says_of_its_length",
        "test_sounds::test_long_lengths_are_read_and_if_open_filled_in",
    ),
    ("audio", "a length that could be true and is not"): ("test_sounds::test_what_cannot_be_read_is_refused_by_name",),
    ("audio", "ID3 tags in front of a FLAC"): (
        "test_sounds::test_a_flac_is_read_whole_whatever_it_says_of_its_length",
    ),
    ("audio", "Ogg sounds in a row"): (
        "test_sounds::test_ogg_sounds_in_a_row_are_one_sound",
        "test_sounds::test_what_cannot_be_read_is_refused_by_name",
    ),
    ("audio", "Ogg streams beside each other"): ("test_sounds::test_what_cannot_be_read_is_refused_by_name",),
    ("audio", "order of the loudspeakers of Vorbis and Opus"): (
        "test_sounds_by_ffmpeg::test_loudspeakers_of_an_ogg_are_in_the_order_of_a_wav",
    ),
    ("audio", "titles, cue points, loops, masks of other loudspeakers"): (
        f"{SOUNDS}::test_titles_cue_points_loops_and_loudspeakers_are_not_kept",
    ),
    ("audio", "BW64; FLAC within an Ogg"): (
        "test_sounds::test_long_wavs_go_by_two_names",
        "test_sounds::test_a_flac_within_an_ogg_is_a_flac",
        "test_sounds::test_a_flac_within_an_ogg_that_is_none_is_refused",
    ),
    (
        "audio",
        "ADPCM, MP3 and other codecs in a WAV, floats of 16 bits, integers of 64; MP3, M4A, AIFF, AU, CAF, Wave64",
    ): (
        f"{SOUNDS}::test_other_codecs_and_containers_are_refused_with_what_to_convert_to",
        f"{SOUNDS}::test_an_mp3_within_a_wav_is_refused_with_what_to_convert_to",
        f"{SOUNDS}::test_an_m4a_is_refused_with_what_to_convert_to",
    ),
    ("image", "samples of 1, 2, 4, 8 and 16 bits, grey, RGB, alpha; BigTIFF, tiles, planes, byte order"): (
        "test_pictures_by_the_book::test_a_png_is_what_its_chunks_say",
        "test_pictures_by_the_book::test_alpha_means_the_same_in_every_layout_of_a_tiff",
        "test_pictures_by_the_book::test_a_webp_is_what_another_decoder_sees",
        "test_tiff::test_pages_and_stacks_are_what_their_tags_say",
        "test_tiff::test_truth_values_are_black_and_white",
        "test_tiff::test_few_bits_mean_the_same_in_a_page_and_in_a_stack",
    ),
    ("image", "colour profile (ICC)"): (
        f"{GRIDS}::test_the_colour_profile_of_every_format_is_written_again",
        f"{GRIDS}::test_the_profile_of_inks_goes_with_them",
    ),
    ("image", "EXIF or TIFF orientation, white-is-zero, palette, transparent colour"): (
        "test_image::test_orientation_is_applied",
        "test_image::test_orientation_is_applied_to_sixteen_bit_colour",
        "test_image::test_a_jpeg_is_read_upright_and_close_to_its_source",
        "test_image::test_a_transparent_colour_becomes_an_alpha_channel",
        "test_pictures_by_the_book::test_a_png_is_what_its_chunks_say",
        "test_tiff::test_pages_and_stacks_are_what_their_tags_say",
    ),
    ("image", "CMYK and YCbCr of 8 bits; alpha that 8-bit colours are multiplied by"): (
        "test_pictures_by_the_book::test_a_jpeg_is_what_another_decoder_sees",
        "test_pictures_by_the_book::test_jpeg_within_a_tiff_is_what_pillow_sees",
        "test_pictures_by_the_book::test_alpha_means_the_same_in_every_layout_of_a_tiff",
        "test_tiff::test_pages_and_stacks_are_what_their_tags_say",
    ),
    ("image", "smaller copies and previews in a TIFF; further pictures in a JPEG"): (
        "test_tiff::test_smaller_copies_of_a_picture_are_passed_over",
        "test_tiff::test_a_preview_before_the_picture_is_passed_over",
        "test_image::test_of_a_multi_picture_jpeg_the_first_is_read",
    ),
    ("image", "gamma, chromaticities, transfer function (cICP), resolution, GPS and other EXIF, GeoTIFF"): (
        f"{GRIDS}::test_gamma_resolution_and_where_a_picture_was_taken_are_not_kept",
    ),
    ("image", "TIFF of signed, 32-bit, 12-bit or float samples, of bands without a meaning"): (
        "test_tiff::test_a_page_of_numbers_is_an_array_of_its_bands",
        "test_tiff::test_a_fourth_band_without_a_meaning_is_kept",
        f"{GRIDS}::test_twelve_bits_are_an_array",
    ),
    ("image", "several frames or pages (a TIFF becomes a [volume](volume.md))"): (
        f"{GRIDS}::test_several_frames_are_refused",
        "test_formats::test_stacks_of_pages_are_volumes",
    ),
    (
        "image",
        "transparency masks, Lab, filter arrays of cameras, other inks than CMYK, YCbCr of a TIFF with "
        "another matrix or range than that of JPEG, premultiplied 16-bit colours, JPEG of 12 bits or without "
        "loss (JPEG-LS, too), PNG of Apple's tools (CgBI)",
    ): (
        "test_tiff::test_what_cannot_be_honoured_is_refused_by_name",
        "test_tiff::test_the_matrix_and_range_of_jpeg_may_be_said",
        f"{GRIDS}::test_other_formats_are_refused_with_what_to_convert_to",
        f"{GRIDS}::test_other_kinds_of_jpeg_are_refused_by_name",
    ),
    ("image", "GIF, BMP, HEIC, AVIF, JPEG 2000, JPEG XL, OpenEXR and others"): (
        f"{GRIDS}::test_formats_that_are_not_read_are_refused_with_what_to_convert_to",
    ),
    ("sdf", "triangles; polygons of any number of corners"): (
        "test_meshes::test_surfaces_are_those_that_trimesh_wrote",
        "test_meshes::test_an_obj_means_what_its_rules_say",
        "test_meshes_by_the_book::test_a_ply_is_what_its_header_says",
    ),
    ("sdf", "coordinates"): (
        "test_meshes::test_coordinates_of_maps_come_back_as_fine_as_the_field",
        f"{GRIDS}::test_what_lies_on_a_surface_is_not_kept",
    ),
    (
        "sdf",
        "PLY: text, both byte orders, every type, lists and elements of any kind, polygons of mixed sizes",
    ): ("test_meshes_by_the_book::test_a_ply_is_what_its_header_says",),
    ("sdf", 'STL: text in any case, binary also where it begins with "solid" or has something behind its faces'): (
        "test_meshes_by_the_book::test_an_stl_is_its_triangles_however_it_is_written",
    ),
    ("sdf", "strips of a PLY"): ("test_meshes_by_the_book::test_a_ply_that_is_wrong_is_refused_by_name",),
    ("sdf", "relative indices, tabs, continued lines, byte order mark of an OBJ"): (
        "test_meshes::test_an_obj_means_what_its_rules_say",
        "test_meshes::test_surfaces_are_those_that_trimesh_wrote",
    ),
    ("sdf", "normals, texture, colours, groups, materials"): (f"{GRIDS}::test_what_lies_on_a_surface_is_not_kept",),
    ("sdf", "faces that refer to vertex 0, vertices that are missing, text or binary files that end early"): (
        "test_meshes::test_what_would_not_come_back_is_refused_by_name",
        "test_formats::test_what_cannot_be_used_is_refused",
        "test_meshes_by_the_book::test_a_binary_ply_that_was_cut_is_refused",
        "test_meshes_by_the_book::test_an_stl_that_is_wrong_is_refused_by_name",
    ),
    ("sdf", "meshes that are flat, or enclose next to no sample at the resolution"): (
        "test_meshes::test_what_would_not_come_back_is_refused_by_name",
        "test_meshes::test_a_thin_plate_is_read_at_a_resolution_that_sees_it",
    ),
    ("sdf", "free-form surfaces, weights other than 1, glTF, OFF, FBX, 3MF"): (
        "test_meshes::test_what_would_not_come_back_is_refused_by_name",
        f"{GRIDS}::test_formats_that_are_not_read_are_refused_with_what_to_convert_to",
    ),
    ("video", "frame rate, times of frames"): (
        "test_formats::test_times_that_a_rate_explains_are_that_rate",
        "test_formats::test_frames_at_uneven_times_come_back_at_those_times",
    ),
    ("video", "quarter turns and mirrors in the track header"): (
        "test_turned_video::test_frames_are_turned_as_their_track_header_says",
    ),
    ("video", "colour matrix and range"): (
        "test_turned_video::test_colours_are_those_of_the_tagged_matrix_and_range",
        f"{SOUNDS}::test_matrix_and_range_of_the_source_are_not_written",
        f"{SOUNDS}::test_an_mp4_says_which_matrix_its_colours_went_through",
    ),
    ("video", "sample aspect ratio"): (
        f"{SOUNDS}::test_the_shape_of_a_pixel_is_kept",
        f"{SOUNDS}::test_a_grid_of_other_pixels_has_other_shapes_of_them",
    ),
    ("video", "more than 8 bits, transfer function, high dynamic range, interlacing"): (
        f"{SOUNDS}::test_deep_frames_become_8_bits_as_they_are_stored",
        f"{SOUNDS}::test_a_command_says_in_a_line_that_deep_frames_become_8_bits",
        f"{SOUNDS}::test_interlaced_frames_stay_as_they_are_stored",
    ),
    ("video", "edit lists, as a cut on a phone leaves them"): (
        "test_turned_video::test_an_edit_list_shows_what_ffmpeg_shows",
        "test_turned_video::test_frames_that_no_edit_hides_are_missed",
    ),
    ("video", "stereo, sound, subtitles, chapters, cropping by the container (clap)"): (
        f"{SOUNDS}::test_what_lies_beside_the_frames_is_passed_over_and_not_written",
        f"{SOUNDS}::test_subtitles_are_passed_over_and_not_written",
    ),
    ("video", "further video streams; covers"): (
        f"{SOUNDS}::test_what_lies_beside_the_frames_is_passed_over_and_not_written",
        f"{SOUNDS}::test_a_cover_is_passed_over",
    ),
    (
        "video",
        "turns by other angles, transparency (that of VP8 and VP9, too), frames that change size, codecs that FFmpeg "
        "does not decode",
    ): (
        "test_turned_video::test_what_cannot_be_honoured_is_refused_by_name",
        f"{SOUNDS}::test_the_transparency_of_a_webm_is_refused",
        f"{SOUNDS}::test_frames_that_change_their_size_are_refused",
    ),
    ("volume", "stored integers and floats of up to 64 bits, slope and intercept"): (
        "test_nifti::test_a_volume_comes_back_with_all_that_its_header_says",
        "test_nifti::test_what_cannot_be_honoured_is_refused_by_name",
        "test_formats::test_slope_and_intercept_of_a_volume_are_kept",
        f"{GRIDS}::test_numbers_are_kept_in_single_precision_of_their_range",
    ),
    ("volume", "qform and sform with their codes, also where they differ or shear"): (
        "test_nifti::test_a_volume_comes_back_with_all_that_its_header_says",
        "test_nifti::test_both_geometries_follow_a_volume_to_another_grid",
    ),
    ("volume", "a code of the sform without a matrix"): (
        "test_nifti::test_a_code_without_a_matrix_leaves_the_other_geometry",
    ),
    (
        "volume",
        "units, time step, toffset, intent, cal_min and cal_max, slice times, descrip, aux_file, a last axis of one",
    ): (
        "test_nifti::test_a_volume_comes_back_with_all_that_its_header_says",
        "test_formats::test_a_series_of_volumes_is_a_grid_of_four_axes",
        "test_files_of_others::test_a_file_is_read_right_and_written_back_or_refused_by_name",
    ),
    ("volume", "where the qform holds: a sign (pixdim[0]) or step of 0, a quaternion longer than 1"): (
        "test_nifti::test_steps_and_signs_that_are_left_out_are_those_that_nibabel_takes",
        "test_nifti::test_a_quaternion_that_is_too_long_is_half_a_turn",
    ),
    ("volume", "extensions"): (
        "test_nifti::test_extensions_are_kept_in_either_order_of_bytes",
        "test_nifti::test_a_volume_comes_back_with_all_that_its_header_says",
        f"{GRIDS}::test_extensions_beyond_64_kib_are_left_out",
    ),
    ("volume", "vox_offset of 0"): (
        "test_nifti::test_voxels_whose_place_is_left_out_are_found_by_their_length",
        "test_nifti::test_what_cannot_be_honoured_is_refused_by_name",
    ),
    ("volume", "byte order; NIfTI-2"): (
        "test_nifti::test_a_volume_comes_back_with_all_that_its_header_says",
        f"{GRIDS}::test_a_long_axis_is_written_as_nifti_2_and_others_as_nifti_1",
    ),
    (
        "volume",
        "headers of pairs (.hdr, .img), Analyze, .mgz, colours, complex numbers, more than four axes",
    ): (
        "test_nifti::test_what_cannot_be_honoured_is_refused_by_name",
        "test_formats::test_what_cannot_be_used_is_refused",
    ),
    ("volume", "samples, channels, time (the last axis of four)"): (
        "test_tiff::test_stacks_of_more_axes_keep_every_sample_and_are_written_again",
    ),
    ("volume", "spacing and unit of ImageJ or OME, interval of frames"): (
        "test_tiff::test_spacing_goes_from_imagej_and_ome_to_ome",
        f"{GRIDS}::test_intervals_of_frames_go_from_imagej_and_ome_to_ome",
    ),
    ("volume", "white-is-zero, palette, CMYK, less than 8 bits, truth values, orientation"): (
        "test_tiff::test_pages_and_stacks_are_what_their_tags_say",
        "test_tiff::test_few_bits_mean_the_same_in_a_page_and_in_a_stack",
        "test_tiff::test_truth_values_are_black_and_white",
    ),
    ("volume", "alpha of colours"): (
        "test_tiff::test_pages_and_stacks_are_what_their_tags_say",
        "test_pictures_by_the_book::test_alpha_means_the_same_in_every_layout_of_a_tiff",
    ),
    (
        "volume",
        "resolution without a unit of ImageJ or OME, ImageJ's calibration of the values, names of channels, regions, "
        "labels",
    ): (f"{GRIDS}::test_resolution_without_a_unit_names_regions_and_labels_are_not_kept",),
    (
        "volume",
        "pages of different kinds, masks, two axes of channels, more than two axes before rows and columns, an "
        "OME-TIFF that is one of several files",
    ): (
        "test_tiff::test_pages_of_different_kinds_are_refused",
        "test_tiff::test_what_cannot_be_honoured_is_refused_by_name",
        f"{GRIDS}::test_stacks_that_are_not_whole_or_of_two_kinds_of_channels_are_refused",
    ),
}


def rows() -> list[tuple[str, str]]:
    """Page and first cell of every row of a table headed "what becomes of it"."""
    found = []
    for page in sorted((ROOT / "docs" / "signals").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for table in re.findall(r"^\|[^|\n]*\| what becomes of it \|\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
            found += [(page.stem, line.split(" | ")[0].removeprefix("| ")) for line in table.splitlines()]
    return found


@cache
def functions_of(name: str) -> frozenset[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((SIGNAL / f"{name}.py").read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_rows_and_mapping_are_the_same() -> None:
    found = rows()
    assert len(found) == len(set(found)) > 50
    assert set(found) ^ set(HELD) == set()


@pytest.mark.parametrize("row", HELD, ids=lambda row: f"{row[0]}: {row[1][:30]}")
def test_the_tests_of_a_row_are_there(row: tuple[str, str]) -> None:
    assert HELD[row]
    for test in HELD[row]:
        name, _, function = test.partition("::")
        assert function.startswith("test_")
        assert function in functions_of(name), test
